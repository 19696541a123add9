/** SQL text that follows from the tables. */
import type { Column, ColumnType, Table } from './tables.js';

const names = (columns: readonly Column[]): string => columns.map(({ name }) => name).join(', ');

/** `CREATE TABLE` with the dialect's names of the types; `suffix` goes after the closing bracket. */
export function createTable(table: Table, types: Readonly<Record<ColumnType, string>>, suffix = ''): string {
  const columns = table.columns.map(
    ({ name, type, isNullable }) => `  ${name} ${types[type]}${isNullable ? '' : ' NOT NULL'}`,
  );
  const key = `  PRIMARY KEY (${table.key.join(', ')})`;
  return `CREATE TABLE IF NOT EXISTS ${table.name} (\n${[...columns, key].join(',\n')}\n)${suffix}`;
}

/** `INSERT` of the rows that `source` stands for: `VALUES (…)` or a `SELECT`. */
export function insertFrom(table: Table, source: string): string {
  return `INSERT INTO ${table.name} (${names(table.columns)}) ${source}`;
}

/** As `insertFrom`, replacing the row of the same key. */
export function upsertFrom(table: Table, source: string): string {
  const { key, columns } = table;
  const rest = columns.filter(({ name }) => !key.includes(name)).map(({ name }) => `${name} = excluded.${name}`);
  return `${insertFrom(table, source)} ON CONFLICT (${key.join(', ')}) DO UPDATE SET ${rest.join(', ')}`;
}

/** Condition on the whole key; `last` is the comparison of its last column. */
export function whereKey(table: Table, last: string): string {
  const prefix = table.key.slice(0, -1).map((name) => `${name} = ?`);
  return `WHERE ${[...prefix, `${table.key.at(-1)} ${last}`].join(' AND ')}`;
}

export function selectWhere(table: Table, condition: string): string {
  return `SELECT ${names(table.columns)} FROM ${table.name} ${condition}`;
}

export function deleteWhere(table: Table, condition: string): string {
  return `DELETE FROM ${table.name} ${condition}`;
}

/** The column that the last part of a table's key is in. */
export function lastKeyColumn(table: Table): Column {
  return table.columns.find(({ name }) => name === table.key.at(-1))!;
}
