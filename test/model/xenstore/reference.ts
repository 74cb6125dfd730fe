// SPDX-License-Identifier: Apache-2.0
// What an xenstored is, on one page: no tree, no socket, no queue, and every question answered by
// looking at everything. A node is a path with a value and the time of its last change, a
// transaction what it saw and what it would do, a watch a client and a path.

type Nodes = Map<string, { readonly value: string; readonly time: number }>;
/** Path → whether only watches of that very path are told. */
type Changed = Map<string, boolean>;
type Change = (nodes: Nodes, changed: Changed) => void;
type Transaction = { view: Nodes; seen: Map<string, number | undefined>; changes: Change[] };

export class Reference {
  readonly nodes: Nodes = new Map([["/", { value: "", time: 0 }]]);
  readonly #watches = new Set<string>();
  readonly #transactions = new Map<string, Transaction>();
  #time = 0;
  /** `client path watched` of each event that the last request caused. */
  told: Set<string> = new Set();

  request(client: string, verb: string, path: string, value: string, isInside: boolean): string {
    this.told = new Set();
    const inside = isInside ? this.#transactions.get(client) : undefined;
    if (verb === "START") {
      this.#transactions.set(client, { view: new Map(), seen: new Map(), changes: [] });
      return "OK";
    }
    if (verb === "COMMIT" || verb === "ABORT") return this.#end(client, verb);
    if (verb === "UNWATCH") return this.#watches.delete(`${client} ${path}`) ? "OK" : "!ENOENT";
    if (verb === "WATCH") {
      if (this.#watches.has(`${client} ${path}`)) return "!EEXIST";
      this.#watches.add(`${client} ${path}`);
      this.told.add(`${client} ${path} ${path}`);
      return "OK";
    }
    const node = this.#look(inside, path).get(path);
    if (verb === "READ") return node?.value ?? "!ENOENT";
    if (verb === "DIRECTORY") {
      return node ? childrenOf(this.#look(inside, path), path).join("|") : "!ENOENT";
    }
    if (verb === "RM") {
      const seen = this.#look(inside, path);
      if (node === undefined) return seen.has(parentOf(path)) ? "OK" : "!ENOENT";
      for (const at of [parentOf(path), ...belowOf(seen, path)]) this.#look(inside, at);
    }
    this.#time += 1;
    const change = verb === "RM" ? remove(path, this.#time) : write(path, value, this.#time);
    if (inside === undefined) this.#tell(new Map(), [change]);
    else inside.changes.push(change);
    return "OK";
  }

  /** Whether it cannot be committed any more; what it reads then has no meaning. */
  isDoomed(client: string): boolean {
    const seen = this.#transactions.get(client)?.seen ?? [];
    return [...seen].some(([path, time]) => this.nodes.get(path)?.time !== time);
  }

  #end(client: string, verb: string): string {
    const isDoomed = this.isDoomed(client);
    const transaction = this.#transactions.get(client);
    this.#transactions.delete(client);
    if (transaction === undefined) return "!ENOENT";
    if (verb === "ABORT") return "OK";
    if (!isDoomed) this.#tell(new Map(this.nodes), transaction.changes);
    return isDoomed ? "!EAGAIN" : "OK";
  }

  /** Makes the changes; what was neither before nor is now, is not told. */
  #tell(before: Nodes, changes: readonly Change[]): void {
    const changed: Changed = new Map();
    for (const change of changes) change(this.nodes, changed);
    for (const [path, isExact] of changed) {
      if (changes.length > 1 && !before.has(path) && !this.nodes.has(path)) continue;
      for (const watch of this.#watches) {
        const [client, watched = ""] = watch.split(" ");
        const isBelow = watched === "/" || path.startsWith(`${watched}/`);
        if (path === watched || (isBelow && !isExact))
          this.told.add(`${client} ${path} ${watched}`);
      }
    }
  }

  /** The nodes as they are seen inside; notes that `path` was looked at, and what it is below. */
  #look(inside: Transaction | undefined, path: string): Nodes {
    if (inside === undefined) return this.nodes;
    const isDoomed = [...inside.seen].some(([at, time]) => this.nodes.get(at)?.time !== time);
    if (!isDoomed) inside.view = new Map(this.nodes);
    if (!inside.seen.has(path)) inside.seen.set(path, inside.view.get(path)?.time);
    const seen: Nodes = new Map(inside.view);
    for (const change of inside.changes) change(seen, new Map());
    return seen.has(path) ? seen : this.#look(inside, parentOf(path));
  }
}

function write(path: string, value: string, time: number): Change {
  return (nodes, changed) => {
    for (let at = path; !nodes.has(at); at = parentOf(at)) {
      nodes.set(at, { value: "", time });
      stamp(nodes, parentOf(at), time);
    }
    nodes.set(path, { value, time });
    changed.set(path, false);
  };
}

function remove(path: string, time: number): Change {
  return (nodes, changed) => {
    for (const at of belowOf(nodes, path)) {
      nodes.delete(at);
      changed.set(at, at !== path);
    }
    stamp(nodes, parentOf(path), time);
  };
}

function stamp(nodes: Nodes, path: string, time: number): void {
  const node = nodes.get(path);
  if (node !== undefined) nodes.set(path, { ...node, time });
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf("/")));
}

function belowOf(nodes: Nodes, path: string): string[] {
  return [...nodes.keys()].filter((key) => key === path || key.startsWith(`${path}/`));
}

function childrenOf(nodes: Nodes, path: string): string[] {
  const keys = [...nodes.keys()].filter((key) => key !== "/" && parentOf(key) === path);
  return keys
    .map((key) => key.slice(key.lastIndexOf("/") + 1))
    .sort((one, other) => (one < other ? -1 : 1));
}
