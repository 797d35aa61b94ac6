"""The library's pages: what librarians and teachers open, one file per page."""
