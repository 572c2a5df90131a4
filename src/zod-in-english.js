import { registerHooks } from 'node:module';

/*
 * Zod loads the words of its errors in fifty languages, a file each: a sixth of the modules of a short command. Nobody here asks for
 * others than the English ones (docs/decisions/quick-start.md).
 */
const [ALL, ENGLISH] = ['../locales/index.js', '../locales/en.js'];

registerHooks({
  resolve(specifier, context, next) {
    const isZods = specifier === ALL && context.parentURL?.includes('/node_modules/zod/');
    return next(isZods ? ENGLISH : specifier, context);
  },
});
