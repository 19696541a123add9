/** A process that holds the lock of the file that it is given, until it is killed. */
import { lockSqlite } from '../../src/adapters/sql/sqlite-lock.js';

lockSqlite(process.argv[2]!);
process.on('message', () => {}); // stays alive
process.send!('held');
