// The topology as nodes and edges: what is connected to what, and what goes on there. It knows no
// places on the screen.

import { inOrder, members, memberships } from "./groups.js";
import { linkMark } from "./model.js";
import { number, perSecond } from "./text.js";

const MOST_NODES = 30;
const MOST_PEERS = 8;
const RANK = { bad: 0, warn: 1 };
export const SWITCH = "switch";

// A node: its key, column, name, a second line, its mark, and the node that it hangs on. Some have
// a label and a rate, those of the edge to that node.
function node(key, column, name, more, mark = "", parent = "") {
  return { key, column, name, more, mark, parent, label: "", rate: 0 };
}

const worse = (...marks) =>
  ["bad", "warn", "good"].find((one) => marks.includes(one)) ?? "";

// {nodes, edges}: each edge is {from, to, label, rate, mark}; `member` if it leads from a group to
// one of its members, `unused` if that gets nothing now.
export function graph(model) {
  const { status, names } = model.update;
  const nodes = [];
  const edges = [];
  const handlers = new Set(status.handlers.map((one) => one.section));
  const received = model.rate("received");
  const memberOf = memberships(status.handlers);
  nodes.push(node(SWITCH, "switch", SWITCH, `${perSecond(received) || "–"} in`));
  for (const one of status.listeners) addListener(one);
  addPeers();
  addRoutes();
  for (const one of orderedHandlers()) addHandler(one);
  addMembers();
  for (const one of limited(status.links.map(link))) addLink(one);
  // What stands in the last column comes in the order of what it hangs on.
  const order = new Map(nodes.map((one, index) => [one.key, index]));
  const place = (one) => order.get(one.column === "far" ? one.parent : one.key) ?? 0;
  nodes.sort((a, b) => place(a) - place(b));
  const depths = new Map(nodes.map((one) => [one.key, one.depth ?? 0]));
  for (const one of nodes) if (one.column === "far") one.depth = depths.get(one.parent) ?? 0;
  return { nodes, edges };

  function addListener(one) {
    const drops = model.mark(`dropped ${one.section}`);
    const mark = one.listening ? worse(drops, "good") : "bad";
    const lost = one.listening ? "" : "address lost, ";
    const more = `${lost}${one.protocol}, ${number(one.peers)} peers${dropped(one.section)}`;
    const key = `listener ${one.section}`;
    const parent = `handler ${one.section}`;
    if (handlers.has(one.section)) {
      nodes.push(node(key, "far", `peers of ${one.section}`, more, mark, parent));
      edges.push({ from: parent, to: key, label: "", rate: 0, mark });
      return;
    }
    const rate = model.rate(`received ${one.section}`);
    const label = perSecond(rate);
    nodes.push(Object.assign(node(key, "listener", one.section, more, mark), { label, rate }));
    edges.push({ from: key, to: SWITCH, mark, label, rate });
  }

  function addPeers() {
    const worst = status.sinks.worst
      .map((one) => ({ sink: one, listener: one.name.split(" ")[0] }));
    const known = new Set(worst.map((one) => one.sink.name));
    const usual = (model.update.peers?.items ?? []).filter((one) => !known.has(one.sink.name));
    const places = new Map(nodes.map((one) => [one.key, one]));
    const found = [...worst, ...usual]
      .filter((one) => names && places.has(`listener ${one.listener}`));
    for (const one of found.slice(0, MOST_PEERS)) addPeer(one);
    const more = status.peers - Math.min(found.length, MOST_PEERS);
    if (names && more > 0) {
      nodes.push(node("peers more", "peer", `${number(more)} more peers`, "", "", ""));
    }
  }

  // Peers of a listener that a handler has opened stand behind that handler.
  function addPeer({ sink, listener }) {
    const mark = worse(sink.key ? model.mark(`${sink.key} dropped`) : "", "good");
    const rate = model.rate(sink.key ?? `peer ${sink.name}`);
    const waits = sink.waiting ? `${number(sink.waiting)} wait` : `sent ${number(sink.sent)}`;
    const name = sink.name.slice(listener.length + 1) || sink.name;
    const behind = handlers.has(listener);
    const key = `peer ${nodes.length}`;
    const parent = `${behind ? "handler" : "listener"} ${listener}`;
    const label = perSecond(rate);
    nodes.push(Object.assign(node(key, behind ? "far" : "peer", name, waits, mark, parent),
      { label, rate }));
    const [from, to] = behind ? [parent, key] : [key, parent];
    edges.push({ from, to, label, rate, mark });
  }

  function addRoutes() {
    for (const one of limited(status.routes.map((route) => ({ route })))) {
      if (!one.route) {
        nodes.push(one);
        continue;
      }
      const { prefix, sections } = one.route;
      const key = `route ${prefix}`;
      nodes.push(node(key, "route", prefix, sections.join(", "), "", SWITCH));
      edges.push({ from: SWITCH, to: key, label: "", rate: 0, mark: "" });
      for (const section of sections) {
        edges.push({ from: key, to: `handler ${section}`, label: "", rate: 0, mark: "" });
      }
    }
  }

  // Members stand behind their group, also if only some of very many are drawn.
  function orderedHandlers() {
    const sections = new Map(status.handlers.map((one) => [one.section, one]));
    const order = inOrder(status.handlers, memberOf);
    const rank = new Map(order.map((section, index) => [section, index]));
    const last = order.length;
    return limited(order.map((section) => handler(sections.get(section))))
      .sort((a, b) => (rank.get(a.name) ?? last) - (rank.get(b.name) ?? last));
  }

  function handler(one) {
    const mark = one.error ? "bad" : model.mark(`faults ${one.section}`);
    const drops = status.links.some((link) => link.section === one.section)
      ? "" : model.mark(`dropped ${one.section}`);
    const prefixes = status.routes.filter((route) => route.sections.includes(one.section))
      .map((route) => route.prefix);
    const found = members(one);
    const up = found.filter((member) => member.up).length;
    const lost = found.length && !up ? "bad" : "";
    const member = memberOf.get(one.section);
    const more = [
      one.handler,
      found.length ? `${up || "none"} of ${found.length} members up` : "",
      member ? `${member.used ? "used" : "not used"} by ${member.group}` : "",
    ].filter(Boolean).join(", ");
    const made = node(`handler ${one.section}`, "handler", one.section, more,
      worse(mark, drops, lost), SWITCH);
    return Object.assign(made, { prefixes: prefixes.join(", "), depth: member?.depth ?? 0 });
  }

  function addHandler(one) {
    nodes.push(one);
    const rate = model.rate(`section ${one.name}`);
    Object.assign(one, { label: perSecond(rate), rate });
    const routed = edges.filter((edge) => edge.to === one.key);
    if (routed.length) routed[0].label = one.label;
    if (routed.length === 1) routed[0].rate = rate;
    if (routed.length || status.routes.length || one.depth) return;
    edges.push({ from: SWITCH, to: one.key, label: one.label, rate, mark: one.mark });
  }

  // What a group gives to a member is what comes into the queues of its links, if neither routes nor
  // other handlers lead there.
  function addMembers() {
    const places = new Map(nodes.map((one) => [one.key, one]));
    for (const [section, { group, used }] of memberOf) {
      const [from, to] = [places.get(`handler ${group}`), places.get(`handler ${section}`)];
      if (!to) continue;
      if (!from) {
        to.depth = 0;
        continue;
      }
      to.parent = from.key;
      const alone = !to.prefixes && !model.update.sections[section];
      const rate = alone ? model.rate(`given ${section}`) : undefined;
      const label = perSecond(rate);
      if (alone) Object.assign(to, { label, rate });
      edges.push({
        from: from.key, to: to.key, label, rate, mark: to.mark, member: true, unused: !used,
      });
    }
  }

  function link(one) {
    const drops = model.mark(`dropped ${one.section}`);
    const mark = worse(linkMark(one), drops);
    const waits = one.sink.waiting ? `, ${number(one.sink.waiting)} wait` : "";
    const name = names ? one.address.replace(/^tcp:\/\//, "") : one.section;
    const more = `${one.state}${waits}${dropped(one.section)}`;
    const made = node(`link ${one.key}`, "far", name, more, mark, `handler ${one.section}`);
    const rate = model.rate(one.key);
    return Object.assign(made, { rate, label: perSecond(rate), section: one.section });
  }

  function addLink(one) {
    nodes.push(one);
    if (!one.section) return;
    const from = handlers.has(one.section) ? `handler ${one.section}` : `listener ${one.section}`;
    one.parent = from;
    edges.push({ from, to: one.key, label: one.label, rate: one.rate, mark: one.mark });
  }

  function dropped(section) {
    const mark = model.mark(`dropped ${section}`);
    if (!mark) return "";
    const rate = model.rate(`dropped ${section}`);
    return mark === "bad" ? `, drops ${perSecond(rate)}` : ", has dropped";
  }
}

// The first of very many, those in trouble first, and one that counts the others.
function limited(found) {
  if (found.length <= MOST_NODES) return found;
  const sorted = [...found].sort((a, b) => (RANK[a.mark] ?? 2) - (RANK[b.mark] ?? 2));
  const [first] = found;
  const column = first.column ?? "route";
  const more = `${number(found.length - MOST_NODES)} more`;
  return [...sorted.slice(0, MOST_NODES), node(`more ${column}`, column, more, "", "", SWITCH)];
}
