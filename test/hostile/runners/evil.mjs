import { answer, beatHeart, openOutbound, serve } from './lawful.mjs';

/*
 * `evil.mjs <attack>`: begins as a proper runner does, takes its first message, and attacks. What the message says are the
 * attack's arguments, as JSON. An attack that returns a text answers with it, and so it goes on.
 */

const [name] = process.argv.slice(2);
const kinds = ['drafts', 'files', 'schemas', 'rows', 'locks', 'floods', 'greed'];
const all = await Promise.all(kinds.map((kind) => import(`./evil-${kind}.mjs`)));
const attack = all.map((module) => module[name]).find(Boolean);
if (!attack) throw new Error(`there is no attack "${name}"`);

process.on('uncaughtException', (error) => console.error('uncaught', error));
beatHeart();
let db = openOutbound();
let attacked = false;

serve(async (message) => {
  let { text } = JSON.parse(message.body);
  if (!attacked) {
    attacked = true;
    const tools = {
      db,
      message,
      args: JSON.parse(text),
      close() {
        db.close();
        db = undefined;
      },
    };
    text = await attack(tools);
  }
  if (text !== undefined && db?.open) answer(db, message, text);
});
