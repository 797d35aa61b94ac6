"""The library's pages, acts and files: one line each here, all else in a file of the page's own."""

from routes.console.pages import ENVIRONMENT
from routes.library import (
    book,
    classroom,
    figures,
    home,
    imports,
    picks,
    reader_map,
    student,
    weights,
    words,
)
from routes.library.drawings import cover_colour, cover_letters

# Those with a `menu` stand in the menu, in this order.
PAGES = (
    home.PAGE,
    picks.PAGE,
    weights.PAGE,
    figures.PAGE,
    reader_map.PAGE,
    classroom.PAGE,
    classroom.SLIPS,
    student.PAGE,
    book.PAGE,
    imports.PAGE,
    imports.FILE,
)
ACTS = (*student.ACTS, *book.ACTS, *picks.ACTS, *weights.ACTS, *imports.ACTS)
DOWNLOADS = (classroom.FILE, *figures.FILES)

ENVIRONMENT.filters |= {
    **words.FILTERS,
    "cover_colour": cover_colour,
    "cover_letters": cover_letters,
}
ENVIRONMENT.globals |= {"library_menu": [page for page in PAGES if page.menu is not None]}
