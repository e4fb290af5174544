// The mesh, as the sections of a Manager and of agents say it in the status.

import { Table, element, fill, write } from "./elements.js";
import { counts, number, plain, seconds } from "./text.js";

const MANAGER = "ssmmp-manager";
const AGENT = "ssmmp-agent";
const word = (name) => ({ name, number: false });
const figure = (name) => ({ name, number: true });

const SIGNS = { bad: "✖ ", warn: "▲ ", good: "", "": "" };

const PARTS = [
  {
    name: "nodes",
    columns: [word("node"), word("address"), word("state"), figure("instances"),
      figure("heard ago")],
    row: (one) => {
      const mark = of({ REGISTERED: "", SUSPECT: "bad", LOST: "bad" }, one.state);
      return {
        mark,
        cells: [one.agent, one.address, SIGNS[mark] + one.state, number(one.instances),
          one.heard === null ? "" : seconds(one.heard)],
      };
    },
  },
  {
    name: "services",
    columns: [word("service"), word("program"), figure("running"), figure("wanted"),
      figure("waiting"), word("trouble")],
    row: (one) => {
      const few = one.running < one.target ? "fewer than wanted" : "";
      const trouble = [one.broken && "broken", one.down && "down", few].filter(Boolean).join(", ");
      const mark = one.broken ? "bad" : trouble ? "warn" : "";
      return {
        mark,
        cells: [one.service, one.program, number(one.running), number(one.target),
          number(one.waiting), SIGNS[mark] + trouble],
      };
    },
  },
  {
    name: "instances",
    columns: [word("instance"), word("service"), word("node"), word("state"), word("health"),
      figure("sessions in"), figure("sessions out"), figure("since")],
    row: (one) => {
      const mark = of({ RUNNING: "", FAILED: "bad", UNKNOWN: "bad" }, one.state);
      return {
        mark,
        cells: [one.instance, one.service, one.agent, SIGNS[mark] + one.state, one.health ?? "",
          number(one.in), number(one.out), seconds(one.since)],
      };
    },
  },
  {
    name: "sessions",
    columns: [word("from"), word("to"), figure("open")],
    row: (one) => ({
      cells: [`${one.source}.${one.plug}`, `${one.service}.${one.socket}`, number(one.open)],
    }),
  },
];

function of(marks, state) {
  return marks[state] ?? "warn";
}

export class Mesh {
  constructor(part, place) {
    this.part = part;
    this.place = place;
    this.managers = new Map();
    this.list = element("ul", { class: "facts" });
    place.append(this.list);
  }

  show({ update }) {
    const found = update.status.handlers.filter(
      (one) => one.handler === MANAGER || one.handler === AGENT);
    this.part.hidden = found.length === 0;
    fill(this.list, found, () => element("li"), (line, one) => write(line, summary(one)));
    const managers = found.filter((one) => one.facts.mesh);
    for (const [section, made] of this.managers) {
      if (managers.some((one) => one.section === section)) continue;
      made.part.remove();
      this.managers.delete(section);
    }
    for (const one of managers) this.manager(one);
  }

  manager({ section, facts }) {
    if (!this.managers.has(section)) this.managers.set(section, this.made(section));
    const { tables } = this.managers.get(section);
    for (const { name, row } of PARTS) tables.get(name).show((facts.mesh[name] ?? []).map(row));
  }

  made(section) {
    const part = element("div");
    const tables = new Map();
    for (const { name, columns } of PARTS) {
      const place = element("div");
      part.append(element("h3", {}, `${capital(name)} of ${plain(section)}`), place);
      tables.set(name, new Table(place, `${name} of ${plain(section)}`, columns, `no ${name}`));
    }
    this.place.append(part);
    return { part, tables };
  }
}

function capital(name) {
  return name[0].toUpperCase() + name.slice(1);
}

// One line of what a section says: counts by state, and single figures.
function summary({ section, handler, facts }) {
  const parts = [];
  for (const [name, value] of Object.entries(facts)) {
    if (name === "mesh") continue;
    const text = value && typeof value === "object" ? counts(value) : plain(String(value ?? ""));
    if (text) parts.push(`${plain(name)}: ${text}`);
  }
  return `${plain(section)} (${plain(handler)}) – ${parts.join("; ")}`;
}
