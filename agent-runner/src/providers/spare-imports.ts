import { registerHooks } from 'node:module';

/** What a module is given in place of the one that it imports. */
export interface StandIn {
  /** What the address of the importing module holds. */
  importer: string;
  /** How what it imports begins. */
  imported: string;
  /** Address of the other module, or how it is imported. */
  instead: string;
}

/**
 * Has `load` import modules without some of what they would import as well, for somebody waits for that. Where they turn out to need
 * it after all (another release does), `loadWhole` imports all of it.
 */
export async function spareImports<Module>(
  standIns: readonly StandIn[],
  load: () => Promise<Module>,
  loadWhole: () => Promise<Module>,
): Promise<Module> {
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      const found = standIns.find(
        ({ importer, imported }) =>
          specifier.startsWith(imported) && context.parentURL?.includes(importer) === true,
      );
      return next(found?.instead ?? specifier, context);
    },
  });
  try {
    return await load();
  } catch {
    // Whatever is wrong, the whole of it will say so in words of its own.
  } finally {
    hooks.deregister();
  }
  return await loadWhole();
}
