#!/usr/bin/env node
import { begin } from './begin.js';

/*
 * Where `berth` begins. Whatever umask it was given: users of containers read what is made for them. What nobody else is to read
 * says so itself, file by file. Before the first thread, because threads cannot say it.
 */
process.umask(0o022);

await begin(new URL('./main.ts', import.meta.url).href);
