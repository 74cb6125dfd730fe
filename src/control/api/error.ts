// SPDX-License-Identifier: Apache-2.0
// The body of every answer that is an error.

import * as v from "valibot";
import { type Shaped, shapeSchema } from "../../program/index.ts";

const error = { code: "text", message: "text" } as const;

/** `message` is a sentence for the operator. */
export interface ErrorBody {
  readonly error: Shaped<typeof error>;
}

export const errorBodySchema: v.GenericSchema<unknown, ErrorBody> = v.object({
  error: shapeSchema(error),
});
