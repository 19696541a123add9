/** Settings of a YAML file, each with the line it stands on. */
import type { Node, Pair } from 'yaml';
import { isAlias, isMap, isScalar, LineCounter, parseDocument } from 'yaml';
import type { Branch, Source } from './source.js';
import { treeSource } from './source.js';

/** A file of options; whoever read it says where it was. */
export interface OptionFile {
  readonly path: string;
  readonly text: string;
}

export function yamlSource(file: OptionFile): Source {
  const lines = new LineCounter();
  const document = parseDocument(file.text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number): string => `${file.path}:${lines.linePos(offset).line}`;
  const flaws = [...document.errors, ...document.warnings];
  if (flaws.length > 0)
    return { settings: new Map(), problems: flaws.map((flaw) => `${at(flaw.pos[0])}: ${flaw.message}`) };
  if (document.contents === null) return { settings: new Map(), problems: [] };

  const problems: string[] = [];
  const branch = (pair: Pair<Node, Node | null>): Branch => {
    const origin = `file ${at(pair.key.range?.[0] ?? 0)}`;
    if (!isScalar(pair.key)) problems.push(`${origin}: a key must be a word`);
    const node = isAlias(pair.value) ? pair.value.resolve(document) : pair.value;
    return {
      name: String(pair.key),
      value: node?.toJS(document) ?? null,
      origin,
      branches: isMap<Node, Node | null>(node) ? node.items.map(branch) : undefined,
    };
  };
  const root = document.contents;
  if (!isMap<Node, Node | null>(root))
    return { settings: new Map(), problems: [`${at(0)}: the file must be a mapping of options`] };
  const source = treeSource(root.items.map(branch));
  return { settings: source.settings, problems: [...problems, ...source.problems] };
}
