// The drawing of the topology: in columns where there is room, as a tree on narrow screens.

import { drawn, fill, set, write } from "./elements.js";
import { SWITCH } from "./graph.js";
import { plain, title } from "./text.js";

const WIDE = 760;
const HEIGHT = 44;
const SPACE = 12;
const STEP = HEIGHT + SPACE;
const CHARACTER = 7.3;
// Pixels of one character of the drawing's font.
const COLUMNS = ["peer", "listener", "switch", "route", "handler", "far"];
const SWITCH_WIDTH = 90;
const INDENT = 22;
const LEVELS = { peer: 1, listener: 0, switch: 0, handler: 1, far: 2 };
const SIGNS = { bad: "✖ ", warn: "▲ ", good: "", "": "" };

export class Topology {
  constructor(place) {
    this.svg = drawn("svg", { role: "img", preserveAspectRatio: "xMinYMin meet" });
    this.edges = drawn("g", { class: "edges" });
    this.nodes = drawn("g", { class: "nodes" });
    this.labels = drawn("g", { class: "labels" });
    this.svg.append(this.edges, this.nodes, this.labels);
    this.place = place;
    place.append(this.svg);
  }

  show(found) {
    const width = Math.max(280, Math.floor(this.place.clientWidth));
    const { height, nodes, edges } = width >= WIDE ? columns(found, width) : tree(found, width);
    set(this.svg, {
      viewBox: `0 0 ${width} ${height}`, width, height, "aria-label": spoken(found),
    });
    fill(this.edges, edges, () => drawn("path"), (path, edge) => set(path, {
      d: edge.path, class: edge.unused ? `${edge.mark} unused` : edge.mark, "stroke-width": thickness(edge.rate),
      "data-edge": `${plain(edge.from)} > ${plain(edge.to)}`,
    }));
    fill(this.labels, edges, () => drawn("text", { "text-anchor": "end" }), (text, edge) => {
      set(text, { x: edge.x ?? 0, y: edge.y ?? 0, class: edge.inside ? "inside" : "" });
      write(text, edge.label ?? "");
    });
    fill(this.nodes, nodes, box, change);
  }
}

function box() {
  const made = drawn("g");
  made.append(drawn("title"), drawn("rect", { rx: 5 }), drawn("text", { class: "name" }),
    drawn("text", { class: "more" }));
  return made;
}

function change(made, node) {
  const [about, rect, name, more] = made.children;
  set(made, {
    class: `node ${node.column} ${node.mark}`, transform: `translate(${node.x} ${node.y})`,
    "data-node": plain(node.key),
  });
  set(rect, { width: node.width, height: node.height });
  const room = Math.max(4, Math.floor((node.width - 14) / CHARACTER));
  // The label of an edge may stand in the box, behind one of the lines.
  const beside = (label) => label ? Math.max(4, room - label.length - 1) : room;
  write(about, `${title(node.name)}\n${title(node.more)}`);
  set(name, { x: 8, y: node.text ?? 18 });
  write(name, cut(SIGNS[node.mark] + plain(node.name), beside(node.inside)));
  set(more, { x: 8, y: (node.text ?? 18) + 17 });
  write(more, cut(plain(node.more), beside(node.below)));
}

function cut(text, room) {
  return text.length > room ? `${text.slice(0, room - 1)}…` : text;
}

function thickness(rate) {
  return (1.5 + Math.min(5, Math.log10(1 + (rate ?? 0)))).toFixed(1);
}

function spoken({ nodes }) {
  const count = (column) => nodes.filter((one) => one.column === column).length;
  const bad = nodes.filter((one) => one.mark === "bad").map((one) => plain(one.name, 60));
  const trouble = bad.length ? `in trouble: ${bad.join(", ")}` : "none in trouble";
  return `${count("listener")} listeners, ${count("handler")} handlers, ${count("far")} links; `
    + `${trouble}. The tables below have all of it.`;
}

// Places from left to right: the height, and what is drawn.
function columns({ nodes, edges }, width) {
  const used = COLUMNS.filter((column) => nodes.some((one) => one.column === column));
  const gaps = used.length - 1;
  const gap = width < 1000 ? 44 : 62;
  const wide = Math.min(250, (width - 4 - SWITCH_WIDTH - gaps * gap) / (used.length - 1));
  const lists = used.map((column) => nodes.filter((one) => one.column === column));
  const most = Math.max(...lists.map((list) => list.length));
  const height = most * STEP + SPACE;
  let x = 2;
  used.forEach((column, index) => {
    const list = lists[index];
    const top = (height - list.length * STEP + SPACE) / 2;
    list.forEach((one, row) => {
      const indent = column === "handler" ? Math.min(INDENT * (one.depth ?? 0), wide / 2) : 0;
      Object.assign(one, {
        x: x + indent, y: top + row * STEP, height: HEIGHT, text: 18,
        width: (column === SWITCH ? SWITCH_WIDTH : wide) - indent,
      });
    });
    if (column === SWITCH) {
      Object.assign(list[0], { y: SPACE, height: height - 2 * SPACE, text: height / 2 - 8 });
    }
    x += (column === SWITCH ? SWITCH_WIDTH : wide) + gap;
  });
  const places = new Map(nodes.map((one) => [one.key, one]));
  for (const edge of edges) {
    const [from, to] = [places.get(edge.from), places.get(edge.to)];
    if (edge.member) inward(edge, from, to);
    else across(edge, from, to, gap);
  }
  return { height, nodes, edges };
}

// From a group down to a member, which stands below it and further in; the label stands in its box,
// on the second line, because the name matters more than what is said there.
function inward(edge, from, to) {
  edge.path = `M${from.x + INDENT / 2} ${from.y + HEIGHT}V${to.y + HEIGHT / 2}H${to.x}`;
  Object.assign(edge, { x: to.x + to.width - 8, y: to.y + 35, inside: true });
  to.below = edge.label;
}

function across(edge, from, to, gap) {
  if (!from || !to) {
    Object.assign(edge, { path: "", label: "" });
    return;
  }
  const middle = (one, other) => one.column === SWITCH
    ? Math.min(Math.max(other.y + other.height / 2, one.y + 4), one.y + one.height - 4)
    : one.y + one.height / 2;
  const [x1, y1] = [from.x + from.width, middle(from, to)];
  const [x2, y2] = [to.x, middle(to, from)];
  const bend = Math.max(16, Math.min(gap, x2 - x1) / 2);
  edge.path = `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
  Object.assign(edge, { x: x2 - 4, y: y2 - 5 });
}

// Places below each other, each under the one that it hangs on. Routes stand in the boxes of their
// handlers: lines from them would cross all others.
function tree(found, width) {
  const below = new Map();
  for (const one of found.nodes) {
    if (one.column === "route") continue;
    const parent = one.column === "switch" ? "" : one.parent;
    below.set(parent, [...(below.get(parent) ?? []), one]);
  }
  const nodes = [];
  const follow = (one) => {
    nodes.push(one);
    (below.get(one.key) ?? []).forEach(follow);
  };
  const isListener = (one) => one.column === "listener";
  // Listeners stand in front of the switch, and everything behind it below.
  found.nodes.filter(isListener).forEach(follow);
  (below.get("") ?? []).filter((one) => !isListener(one)).forEach(follow);
  below.get(SWITCH)?.filter((one) => !nodes.includes(one)).forEach(follow);
  const places = new Map();
  nodes.forEach((one, row) => {
    const x = 2 + INDENT * (LEVELS[one.column] + (one.depth ?? 0));
    const more = one.prefixes ? `${one.more} for ${one.prefixes}` : one.more;
    places.set(one.key, one);
    Object.assign(one, {
      x, y: SPACE / 2 + row * STEP, width: width - x - 2, height: HEIGHT, text: 18, more,
      inside: one.label,
    });
  });
  const above = (one) => places.get(isListener(one) ? SWITCH : one.parent);
  const unused = new Set(found.edges.filter((one) => one.unused).map((one) => one.to));
  const edges = nodes.map((one) => ({
    ...down(one, above(one), width), unused: unused.has(one.key),
  }));
  return { height: nodes.length * STEP + SPACE, nodes, edges };
}

// The edge between a node and the one that it hangs on; its label stands in the node.
function down(one, parent, width) {
  const edge = {
    from: one.key, to: one.parent, mark: one.mark, rate: one.rate, label: one.label,
    x: width - 10, y: one.y + 18, path: "", inside: true,
  };
  if (!parent) return edge;
  const [upper, lower] = parent.y <= one.y ? [parent, one] : [one, parent];
  const x = Math.min(upper.x, lower.x) + 10;
  const inner = lower.x > upper.x;
  edge.path = `M${x} ${upper.y + HEIGHT}V${inner ? lower.y + HEIGHT / 2 : lower.y}`
    + (inner ? `H${lower.x}` : "");
  return edge;
}
