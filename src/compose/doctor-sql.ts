/** Looks at the database of an application as a node would use it. */
import { existsSync } from 'node:fs';
import { examinePostgres, examineSqlite } from '../adapters/sql/examine-sql.js';
import { MillraceError } from '../errors.js';
import { sqlitePath } from '../options/urls.js';
import type { Finding } from '../runtime/diagnosis.js';
import { diagnosePostgres, diagnoseSqlite } from '../runtime/sql-diagnosis.js';
import type { SqlOptions } from './backend.js';
import { openDatabase, provisionSql } from './sql-backend.js';

/** Changes nothing. Throws `SQL_…` and `STREAM_MISSING`. */
export async function examineDatabase(options: SqlOptions): Promise<Finding[]> {
  const { app, sql } = options;
  const path = sqlitePath(sql.url);
  // To open a file that is not there would make it.
  if (path !== undefined && !existsSync(path)) throw new MillraceError('SQL_SCHEMA', `there is no file ${path}`);
  const provisioned = await provisionSql(options, false);
  const found: Finding = {
    check: 'sql.schema',
    level: 'ok',
    found: `${provisioned.database} has the tables of this version`,
  };
  const database = openDatabase(sql.url, `millrace-${app}-doctor`);
  try {
    return path === undefined
      ? [found, ...diagnosePostgres(await examinePostgres(database))]
      : [found, ...diagnoseSqlite(await examineSqlite(database, path))];
  } finally {
    await database.close();
  }
}
