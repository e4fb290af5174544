// Elements made of texts and never of markup; those that stay are changed, and not made again.

import { plain, title } from "./text.js";

const SVG = "http://www.w3.org/2000/svg";

export function byId(id) {
  return document.getElementById(id);
}

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  set(made, attributes);
  made.append(...children);
  return made;
}

export function drawn(name, attributes = {}) {
  const made = document.createElementNS(SVG, name);
  set(made, attributes);
  return made;
}

export function set(one, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    const text = String(value);
    if (one.getAttribute(name) !== text) one.setAttribute(name, text);
  }
}

export function write(one, text) {
  if (one.textContent !== text) one.textContent = text;
}

// Make the children of an element as many as there are items, and fill each of them.
export function fill(parent, items, make, change) {
  while (parent.children.length > items.length) parent.lastElementChild.remove();
  while (parent.children.length < items.length) parent.append(make());
  items.forEach((item, index) => change(parent.children[index], item));
}

// A table by its columns: {name, number} each. A row is {cells, mark}; a cell is a text, and is cut
// and escaped here. On a narrow screen a row becomes a card, so that the roles have to be written.
export class Table {
  constructor(place, label, columns, nothing) {
    this.columns = columns;
    this.nothing = element("p", { class: "nothing" }, nothing);
    const heads = columns.map((one) =>
      element("th", { scope: "col", role: "columnheader", class: one.number ? "number" : "" },
        one.name));
    const head = element("tr", { role: "row" }, ...heads);
    this.body = element("tbody", { role: "rowgroup" });
    this.table = element("table", { role: "table", "aria-label": label },
      element("thead", { role: "rowgroup" }, head), this.body);
    place.append(this.nothing, this.table);
  }

  show(rows) {
    this.nothing.hidden = rows.length > 0;
    this.table.hidden = rows.length === 0;
    fill(this.body, rows, () => this.row(), (row, { cells, mark = "" }) => {
      set(row, { class: mark });
      cells.forEach((text, index) => {
        const cell = row.children[index];
        const shown = plain(text);
        write(cell.firstElementChild, shown);
        const whole = title(text);
        if (whole === shown) cell.removeAttribute("title");
        else set(cell, { title: whole });
      });
    });
  }

  row() {
    const cells = this.columns.map((one) =>
      element("td", { role: "cell", "data-label": one.name, class: one.number ? "number" : "" },
        element("bdi")));
    return element("tr", { role: "row" }, ...cells);
  }
}
