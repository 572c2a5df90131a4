import { z } from 'zod';

/** The number of an event in a query or a header: 0 or a positive integer in plain digits. */
export const eventNumber = z
  .string()
  .regex(/^\d{1,15}$/, 'has to be the number of an event (0 or more)')
  .transform(Number);
