#!/usr/bin/env node
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

/*
 * Where `berth` begins: what Node makes of the sources is kept, which spares the next command two fifths of the work of its
 * start. Beside the packages and not in the folder for temporary files, where others could write it; where it cannot be
 * written it does without.
 */
enableCompileCache(join(import.meta.dirname, '..', 'node_modules', '.cache', 'berth'));
await import('./main.ts');
