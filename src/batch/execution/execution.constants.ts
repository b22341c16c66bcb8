/** How long whoever takes something up holds it, in milliseconds: the work of a killed worker waits that long. */
export const LEASE_MS = 6000;
/** How often it is renewed meanwhile. */
export const RENEW_MS = 2000;
/** How often it is looked whether there is something to do, if nobody says so before. */
export const TICK_MS = 1000;
export const RATES_MS = 5000;
/** How much of the rate of a batch the last measurement makes up. */
export const RATE_SMOOTHING = 0.4;
/** How long a slice of work holds the thread, in milliseconds. */
export const SLICE_MS = 4;
/** Results that are written at a time: so many, or of so many characters together. */
export const MOST_RESULTS = 500;
export const MOST_CHARACTERS = 1024 * 1024;
