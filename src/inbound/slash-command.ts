const SLASH_COMMANDS = ['stop', 'new', 'status', 'help'] as const;
export type SlashCommand = (typeof SLASH_COMMANDS)[number];

/**
 * The command to the host that a message is, if it is one: `/stop`, `/new`, `/status` or `/help` and nothing else. With
 * other words, or with files, it is the agent's. Pure.
 */
export function slashCommand(message: {
  text: string;
  files?: readonly unknown[] | undefined;
}): SlashCommand | undefined {
  const word = /^\/([a-z]+)$/i.exec(message.text.trim())?.[1]?.toLowerCase();
  if (message.files?.length) return undefined;
  return SLASH_COMMANDS.find((known) => known === word);
}
