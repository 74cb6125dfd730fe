// SPDX-License-Identifier: Apache-2.0
// The names of an options object. A typing error in JavaScript, such as `limit` for `limitBytes`, would
// be ignored silently.

import { safeText } from "./safe-text.ts";

/** Every name of the options; the compiler finds one that is missing. */
export type OptionNames<Options> = { readonly [name in keyof Required<Options>]: true };

/** A sentence about the first name that is no option; `undefined` if all are. */
export function unknownOption<Options extends object>(
  options: Options,
  names: OptionNames<Options>,
): string | undefined {
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(names, name));
  if (unknown === undefined) return undefined;
  return `there is no option "${safeText(unknown)}", only ${Object.keys(names).join(", ")}`;
}
