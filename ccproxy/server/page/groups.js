// Groups and their members, as handlers say them: who is a member of what. It takes nothing on
// trust: a plugin may say anything under the same names.

// The members of a group; none of other handlers, or if facts are hidden.
export function members({ facts }) {
  const { members: found, to } = facts ?? {};
  if (!Array.isArray(found) || !Array.isArray(to)) return [];
  return found.filter((one) => one && typeof one.section === "string")
    .map(({ section, state }) => ({ section, up: state === "up", used: to.includes(section) }));
}

// By section of a member: its group, whether it is up and used, and how many groups it is in,
// counted inwards. Each is a member of one group, and none of itself, also by others.
export function memberships(handlers) {
  const known = new Set(handlers.map((one) => one.section));
  const found = new Map();
  const within = (section, group) => {
    for (let one = group; one !== undefined; one = found.get(one)?.group) {
      if (one === section) return true;
    }
    return false;
  };
  for (const group of handlers) {
    for (const one of members(group)) {
      if (!known.has(one.section) || found.has(one.section)) continue;
      if (!within(one.section, group.section)) {
        found.set(one.section, { ...one, group: group.section });
      }
    }
  }
  for (const one of found.values()) {
    one.depth = 1;
    for (let above = found.get(one.group); above; above = found.get(above.group)) one.depth += 1;
  }
  return found;
}

// The sections of handlers, those of members behind their group, in the order that it names them.
export function inOrder(handlers, memberOf) {
  const order = [];
  const follow = (section) => {
    order.push(section);
    for (const [member, { group }] of memberOf) if (group === section) follow(member);
  };
  handlers.filter((one) => !memberOf.has(one.section)).forEach((one) => follow(one.section));
  return order;
}
