import { BerthError } from '../errors.ts';

/** What the running host says; what the data folder itself says where none runs. */
export async function withoutHostElse<Result>(
  withHost: () => Promise<Result>,
  withoutHost: () => Result | Promise<Result>,
): Promise<Result> {
  try {
    return await withHost();
  } catch (error) {
    if (error instanceof BerthError && error.code === 'E_NO_HOST') return await withoutHost();
    throw error;
  }
}
