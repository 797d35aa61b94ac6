// Neighbours on the map light up: beneath the pointer, and with the row of the table.
"use strict";

const map = document.getElementById("map");
const readers = document.getElementById("readers");

if (map !== null && readers !== null) {
  const points = [...map.querySelectorAll("circle")];
  const rows = [...readers.rows];
  let lit = null;

  const paint = (place, on) => {
    for (const near of points[place].dataset.near.split(" ").filter(Boolean)) {
      points[near].classList.toggle("near", on);
      rows[near].classList.toggle("near", on);
    }
    points[place].classList.toggle("here", on);
    rows[place].classList.toggle("here", on);
  };

  const light = (place) => {
    if (place === lit) return;
    if (lit !== null) paint(lit, false);
    lit = place;
    map.classList.toggle("lit", lit !== null);
    if (lit !== null) paint(lit, true);
  };

  const placeOf = (event) => {
    const circle = event.target.closest?.("a")?.querySelector("circle");
    const row = event.target.closest?.("tr");
    const place = circle ? points.indexOf(circle) : rows.indexOf(row);
    return place < 0 ? null : place;
  };

  for (const area of [map, readers]) {
    area.addEventListener("pointerover", (event) => light(placeOf(event)));
    area.addEventListener("pointerleave", () => light(null));
    area.addEventListener("focusin", (event) => light(placeOf(event)));
    area.addEventListener("focusout", () => light(null));
  }
}
