/** One structured log line: an event name from observability/names.ts and its fields. Never a payload. */
export type LogLine = (level: 'debug' | 'info' | 'warn' | 'error', event: string, fields: object) => void;
