/** A chat that people talk in, and so a session. */
export interface Place {
  channel: 'keyed' | 'keyless' | 'http';
  group: string;
  chat: string;
}

const channels = ['keyed', 'keyless', 'http', 'keyed', 'keyless'] as const;
const groups = ['quick', 'slow', 'quick'] as const;

/** The twenty sessions of a run: eight on each recording channel, four over HTTP; two in three answer at once. */
export const PLACES: readonly Place[] = Array.from({ length: 20 }, (_, index) => {
  const channel = channels[index % channels.length] ?? 'keyed';
  return { channel, group: groups[index % groups.length] ?? 'quick', chat: `${channel}-${index + 1}` };
});

/** `group.yaml` and the files of its workspace, by folder. Containers are small, and soon idle. */
export const GROUPS: Record<string, { yaml: string; files: Record<string, string> }> = {
  quick: { yaml: yaml('Quick', 'provider: echo'), files: {} },
  slow: {
    yaml: yaml('Slow', 'provider: command, command: [sh, /group/bot.sh]'),
    files: { 'bot.sh': slowBot() },
  },
};

/** A group that nobody has talked to yet. */
export const freshGroup = (): { yaml: string; files: Record<string, string> } => ({
  yaml: yaml('Fresh', 'provider: echo'),
  files: {},
});

function yaml(name: string, agent: string): string {
  return `name: ${name}
agent: { ${agent} }
limits: { memory: 96m, pids: 64, turn: 10s }
idle: { freeze: 700ms, stop: 10s }
`;
}

/** Works as many milliseconds as the message says (\`m17 w300\`), then repeats it. */
function slowBot(): string {
  return `text=$(grep -o '"text":"[^"]*"' | tail -n 1 | cut -d '"' -f 4)
sleep "$(echo "$text" | sed 's/.* w//' | awk '{ print $1 / 1000 }')"
echo "$text"
`;
}
