import { xenstoredParts } from "../../support/xenstored.ts";
import type { Fault } from "./failing-disk.ts";
import { type Moment, play } from "./play.ts";
import { type Mode, type Place, Site } from "./site.ts";

const parts = await xenstoredParts();
if (!parts.found) throw new Error(parts.reason);
const pick = process.argv[2] ?? "";
for (const mode of ["embedded", "host"] as Mode[])
  for (const place of ["logs", "state", "both", "stderr"] as Place[])
    for (const fault of ["full", "noInodes", "readOnly"] as Fault[])
      for (const moment of ["running", "start", "restart"] as Moment[]) {
        const name = `${mode} ${place} ${fault} ${moment}`;
        if (!name.includes(pick)) continue;
        const t = performance.now();
        let said;
        const site = await Site.make({ mode, fault, place, parts });
        try {
          said = await play(site, moment);
        } catch (e) {
          said = e instanceof Error ? `FAILED ${e.message}` : e;
        }
        try {
          await site[Symbol.asyncDispose]();
        } catch (e) {
          said = [said, "DISPOSE", String(e)];
        }
        console.log(name, Math.round(performance.now() - t), JSON.stringify(said));
      }
