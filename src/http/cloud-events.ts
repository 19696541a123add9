/**
 * CloudEvents over HTTP as events: structured (a JSON object with its attributes) and binary (attributes in `ce-`
 * headers, the body is the data). Attributes that Millrace has no part for, such as `source`, are not stored.
 * Source: CloudEvents 1.0.2, its JSON format, its HTTP protocol binding, and the extensions `partitionkey`, `sequence`.
 */
import type { JsonObject } from '../core/event/json.js';
import { isObject } from '../core/event/json.js';

/** Fields of an event, unchecked, and what is wrong with it as a CloudEvent. */
export interface CloudEventFields {
  readonly fields: unknown;
  readonly problems: readonly string[];
}

/** Attribute that each part comes from. */
const attributeOf = { id: 'id', key: 'partitionkey', time: 'time', sequence: 'sequence', type: 'type' };
const REQUIRED = ['id', 'source', 'type', 'partitionkey'];
const ATTRIBUTES = ['specversion', 'id', 'source', 'type', 'partitionkey', 'time', 'sequence'];

/** Of an object in the JSON format; null is an attribute that is not there. */
export function fieldsOfStructured(value: unknown): CloudEventFields {
  if (!isObject(value)) return { fields: value, problems: [] };
  const names = Object.keys(value).filter((name) => value[name] !== null || name === 'data');
  const attributes = Object.fromEntries(names.map((name) => [name, value[name]]));
  const { data, data_base64: base64 } = attributes;
  const isDouble = data !== undefined && base64 !== undefined;
  return fieldsOf(attributes, data ?? base64, isDouble ? ['the CloudEvent has both data and data_base64'] : []);
}

/** Of headers and the value of the body. */
export function fieldsOfBinary(headers: Headers, data: unknown): CloudEventFields {
  const problems: string[] = [];
  const attributes: Record<string, unknown> = {};
  for (const name of ATTRIBUTES) {
    const header = headers.get(`ce-${name}`);
    if (header === null) continue;
    attributes[name] = textOfHeader(header);
    if (attributes[name] === undefined) problems.push(`the header ce-${name} is not percent-encoded UTF-8`);
  }
  return fieldsOf(attributes, data, problems);
}

/** An attribute's text, or undefined. Raw bytes beyond ASCII are refused: their encoding would be a guess. */
function textOfHeader(header: string): string | undefined {
  const quoted = /^"((?:[^"\\]|\\.)*)"$/.exec(header);
  const text = quoted === null ? header : quoted[1]!.replaceAll(/\\(.)/g, '$1');
  if (/[^\x20-\x7e]/.test(text)) return undefined;
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

function fieldsOf(attributes: JsonObject, data: unknown, found: readonly string[]): CloudEventFields {
  const problems = [...found];
  if (attributes.specversion !== '1.0') problems.push('the specversion of the CloudEvent is not 1.0');
  for (const name of REQUIRED)
    if (!Object.hasOwn(attributes, name))
      problems.push(`the CloudEvent has no ${name}${name === 'partitionkey' ? ', which is its key' : ''}`);
  const fields: Record<string, unknown> = { data };
  for (const [part, name] of Object.entries(attributeOf)) fields[part] = attributes[name];
  return { fields, problems };
}
