// SPDX-License-Identifier: Apache-2.0
// What a conforming server answers, as data. The expectations are those of C xenstored as Debian
// ships it; a server known to differ has its lines beside them, under the difference's name.

import type { Case } from "./case-language.ts";
import { badInput } from "./cases-bad-input.ts";
import { domains } from "./cases-domains.ts";
import { nodes } from "./cases-nodes.ts";
import { quotas } from "./cases-quotas.ts";
import { transactions } from "./cases-transactions.ts";
import { watches } from "./cases-watches.ts";

export const groups: Readonly<Record<string, readonly Case[]>> = {
  nodes,
  watches,
  transactions,
  domains,
  quotas,
  "bad input": badInput,
};
