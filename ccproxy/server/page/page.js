// The page: the latest update is drawn, at most once for each frame of the screen.

import { byId, element, fill, set, write } from "./elements.js";
import { Feed } from "./feed.js";
import { graph } from "./graph.js";
import { Mesh } from "./mesh.js";
import { Model } from "./model.js";
import { Tables } from "./tables.js";
import { TapForm } from "./tap.js";
import { plain } from "./text.js";
import { Topology } from "./topology.js";

const TOKEN = "ccserver token";
const THEME = "ccserver theme";
const SIGNS = { bad: "✖ ", warn: "▲ " };

const model = new Model();
const tables = new Tables();
const topology = new Topology(byId("topology"));
const mesh = new Mesh(byId("mesh-part"), byId("mesh"));
let token = kept(() => sessionStorage.getItem(TOKEN));
let waiting = "";
let asked = 0;

const feed = new Feed(token, update, state);
const tap = new TapForm(() => token);

function update(text) {
  waiting = text;
  asked ||= requestAnimationFrame(draw);
}

function draw() {
  asked = 0;
  if (waiting) model.take(JSON.parse(waiting));
  waiting = "";
  if (!model.update) return;
  const { status, names } = model.update;
  write(byId("name"), plain(status.process.name));
  write(byId("about"), names ? plain(status.process.file) : "");
  byId("hidden-names").hidden = names;
  state("live", feed.missed ? `live, ${feed.missed} updates missed` : "live");
  fill(byId("summary"), model.summary, figure, (made, [name, value, more]) => {
    const [title, large, small] = made.children;
    write(title, name);
    write(large, value);
    write(small, more);
  });
  const found = model.troubles;
  const bad = found.filter((one) => one.mark === "bad").length;
  document.title = `${bad ? "✖ " : ""}${plain(status.process.name)} – ccserver`;
  write(byId("trouble"), bad ? `${bad} ${bad === 1 ? "place is" : "places are"} in trouble` : "");
  const shown = found.length ? found : [{ mark: "good", text: "nothing" }];
  fill(byId("troubles"), shown.slice(0, 50), () => element("li", {}, element("bdi")),
    (line, { mark, text }) => {
      set(line, { class: mark });
      write(line.firstElementChild, (SIGNS[mark] ?? "● ") + plain(text, 300));
    });
  topology.show(graph(model));
  tables.show(model);
  mesh.show(model);
  document.documentElement.dataset.updates = String(feed.updates);
}

function figure() {
  return element("div", {}, element("dt"), element("dd", { class: "large" }),
    element("dd", { class: "small" }));
}

function state(word, text) {
  const place = byId("connection");
  set(place, { class: word });
  write(place, plain(text, 200));
  if (word === "refused") byId("token").focus();
}

// A browser may refuse to keep anything; the page works without.
function kept(ask) {
  try {
    return ask() ?? "";
  } catch {
    return "";
  }
}

function use(given) {
  token = given;
  kept(() => (token ? sessionStorage.setItem(TOKEN, token) : sessionStorage.removeItem(TOKEN)));
  byId("token").value = "";
  for (const one of ["token", "unlock-button"]) byId(one).hidden = Boolean(token);
  document.querySelector("label[for=token]").hidden = Boolean(token);
  byId("lock").hidden = !token;
  feed.use(token);
  tap.offer();
}

function dress(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
}

byId("unlock").addEventListener("submit", (event) => {
  event.preventDefault();
  use(byId("token").value.trim());
});
byId("lock").addEventListener("click", () => use(""));
byId("theme").addEventListener("change", (event) => {
  kept(() => localStorage.setItem(THEME, event.target.value));
  dress(event.target.value);
});
new ResizeObserver(() => { asked ||= requestAnimationFrame(draw); }).observe(byId("topology"));

byId("theme").value = kept(() => localStorage.getItem(THEME));
dress(byId("theme").value);
use(token);
