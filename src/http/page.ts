/**
 * The dashboard's files. They hold no data, so a browser may have them without a token; what they show they ask for
 * with it. Everything comes from this node: the page works where nothing else can be reached.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';

export interface PageFile {
  readonly type: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Scripts and styles of this address only, none inside the page, and no connection elsewhere. */
export const pagePolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const packageRoot = new URL('../../../', import.meta.url);
const uplotDir = new URL('dist/', pathToFileURL(createRequire(import.meta.url).resolve('uplot/package.json')));
const types = { html: 'text/html', css: 'text/css', js: 'text/javascript', svg: 'image/svg+xml' } as const;

/** Where each file comes from. Scripts are compiled from src/dashboard, the rest lies there as it is. */
const places: Readonly<Record<string, URL>> = {
  '/': new URL('src/dashboard/index.html', packageRoot),
  '/dashboard/style.css': new URL('src/dashboard/style.css', packageRoot),
  '/dashboard/icon.svg': new URL('src/dashboard/icon.svg', packageRoot),
  '/dashboard/uplot.css': new URL('uPlot.min.css', uplotDir),
  '/dashboard/uplot.js': new URL('uPlot.iife.min.js', uplotDir),
  ...Object.fromEntries(
    ['main', 'api', 'charts', 'dom', 'format', 'inbox', 'lookup', 'nodes', 'owners', 'strip', 'timeline'].map(
      (name) => [`/dashboard/${name}.js`, new URL(`dist/src/dashboard/${name}.js`, packageRoot)],
    ),
  ),
};

const files = new Map<string, PageFile>();

/** The file behind a path, or undefined. Read once: a page whose parts are of two versions would not work. */
export function pageFile(path: string): PageFile | undefined {
  const place = Object.hasOwn(places, path) ? places[path] : undefined;
  if (place === undefined) return undefined;
  const known = files.get(path);
  if (known !== undefined) return known;
  const extension = /\.(html|css|js|svg)$/.exec(place.pathname)![1] as keyof typeof types;
  const file = {
    type: `${types[extension]}; charset=utf-8`,
    bytes: new Uint8Array(readFileSync(fileURLToPath(place))),
  };
  files.set(path, file);
  return file;
}
