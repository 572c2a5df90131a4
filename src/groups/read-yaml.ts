import { type Document, isAlias, LineCounter, type Node, parseDocument, visit, type YAMLError } from 'yaml';
import { lineAt, type YamlPath } from './place-in-yaml.ts';

/** What is wrong, and the line (from 1) where. */
export interface Problem {
  line: number;
  what: string;
}

/** A YAML text read: its value and where things stand in it; or what keeps it from being read. */
export type ReadYaml = { value: unknown; lineAt: (path: YamlPath) => number } | { problems: Problem[] };

/** Reads one YAML document. Whatever is odd (a second document, a tag nobody knows, a key twice) is a problem. */
export function readYaml(text: string): ReadYaml {
  const lines = new LineCounter();
  try {
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
    const problems = [...syntaxProblems(document, lines, text), ...aliasProblems(document, lines)];
    if (problems.length > 0) return { problems };
    return { value: document.toJS({ maxAliasCount: 100 }), lineAt: (path) => lineAt(document, lines, path) };
  } catch (error) {
    // Aliases that multiply without end, nesting deeper than the stack.
    return { problems: [{ line: 1, what: `no valid YAML: ${(error as Error).message}` }] };
  }
}

function syntaxProblems(document: Document, lines: LineCounter, text: string): Problem[] {
  return [...document.errors, ...document.warnings].map((error) => ({
    line: lines.linePos(error.pos[0]).line,
    what: inWords(error, text),
  }));
}

function inWords({ code, message, pos }: YAMLError, text: string): string {
  if (code === 'DUPLICATE_KEY') return `${text.slice(pos[0]).split(/[\s:,}]/, 1)[0]} is there twice`;
  if (code === 'MULTIPLE_DOCS') return 'a second document begins; allowed: one';
  return `no valid YAML: ${message}`;
}

/** Aliases without an anchor, and those inside of what they stand for: such a value has no end. */
function aliasProblems(document: Document, lines: LineCounter): Problem[] {
  const problems: Problem[] = [];
  const anchors = new Map<string, Node>();
  visit(document, {
    Node(_, node, path) {
      if (!isAlias(node)) {
        if (node.anchor) anchors.set(node.anchor, node);
        return;
      }
      const target = anchors.get(node.source);
      const what = target ? `*${node.source} contains itself` : `there is no anchor ${node.source}`;
      if (target && !path.some((outer) => outer === target)) return;
      problems.push({ line: lines.linePos(node.range?.[0] ?? 0).line, what: `no valid YAML: ${what}` });
    },
  });
  return problems;
}
