#!/usr/bin/env node
import './compile-cache.js';
import { english } from './zod-in-english.js';

/*
 * Where `berth` begins. Whatever umask it was given: users of containers read what is made for them. What nobody else is to read
 * says so itself, file by file. Before the first thread, because threads cannot say it.
 */
process.umask(0o022);

// Every module that comes after is found sooner when nobody is asked about it.
await import('zod');
english.deregister();

await import('./main.ts');
