// SPDX-License-Identifier: Apache-2.0
// Where the files of a daemon are, embedded or on a Xen host.

export { PlacesError, type PlacesErrorCode } from "./errors.ts";
export {
  defaultDirectory,
  embeddedPlaces,
  hostPlaces,
  type Places,
  requirePathName,
} from "./places.ts";
