/**
 * A TCP proxy that does what networks do: cut, refuse, swallow, hold back, delay. Bytes are never reordered, and a
 * connection that has lost bytes is ended when the network heals, because no TCP connection has a hole.
 */

import { once } from 'node:events';
import { createConnection, createServer, type Server, type Socket } from 'node:net';

/** `answers` are the bytes from the server to the client, `requests` those to the server. */
export type Direction = 'requests' | 'answers';

type Mode = 'pass' | 'swallow' | 'hold';

interface Way {
  readonly from: Socket;
  readonly to: Socket;
  held: Buffer[];
  /** On their way, oldest first. */
  late: Buffer[];
  hasLost: boolean;
}

const directions: readonly Direction[] = ['requests', 'answers'];

export class TcpProxy {
  readonly #server: Server;
  #targetPort: number;
  readonly #ways = new Map<Direction, Set<Way>>(directions.map((direction) => [direction, new Set()]));
  readonly #modes = new Map<Direction, Mode>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #drops = new Map<Direction, string>();
  #resetAt: { readonly text: string; readonly bytes: number } | undefined;
  #isRefusing = false;
  #delayMs = 0;
  /** Connections refused by `block` so far. */
  refused = 0;
  /** Connections taken so far. */
  accepted = 0;
  /** Connections reset by `resetAt` so far. */
  resets = 0;
  /** Chunks lost by `swallow` so far. */
  swallowed = 0;
  /** Chunks lost by `dropOnce` so far. */
  dropped = 0;

  private constructor(server: Server, targetPort: number) {
    this.#server = server;
    this.#targetPort = targetPort;
    server.on('connection', (socket) => this.#accept(socket));
  }

  /** Listens on a free port of 127.0.0.1 and passes on to `targetPort` there. */
  static async start(targetPort: number): Promise<TcpProxy> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new TcpProxy(server, targetPort);
  }

  get port(): number {
    const address = this.#server.address();
    return address !== null && typeof address === 'object' ? address.port : 0;
  }

  /** Resets every connection; new ones are accepted. */
  cut(): void {
    for (const ways of this.#ways.values()) {
      for (const { from, to } of ways) {
        from.resetAndDestroy();
        to.resetAndDestroy();
      }
      ways.clear();
    }
  }

  /** Resets every connection; new ones lead to another port of 127.0.0.1, as a service does after a failover. */
  moveTo(targetPort: number): void {
    this.#targetPort = targetPort;
    this.cut();
  }

  /** Resets every connection and every new one, until `heal`. */
  block(): void {
    this.#isRefusing = true;
    this.cut();
  }

  /** Connections stay open and the bytes of these directions are lost. */
  swallow(...which: readonly Direction[]): void {
    for (const direction of which) this.#modes.set(direction, 'swallow');
  }

  /** Loses the next chunk of this direction that contains `text`, as no TCP connection does but a server may. */
  dropOnce(direction: Direction, text: string): void {
    this.#drops.set(direction, text);
  }

  /** Resets the next connection on which an answer contains `text`: so many bytes of it still arrive. */
  resetAt(text: string, bytes: number): void {
    this.#resetAt = { text, bytes };
  }

  /** Connections stay open and the bytes of these directions arrive after `heal`. */
  hold(...which: readonly Direction[]): void {
    for (const direction of which) this.#modes.set(direction, 'hold');
  }

  /** Every byte in both directions takes this long, ms. */
  delay(ms: number): void {
    this.#delayMs = ms;
  }

  /** A good network again: held bytes arrive, connections that lost bytes end. */
  heal(): void {
    this.#isRefusing = false;
    this.#delayMs = 0;
    this.#modes.clear();
    for (const ways of this.#ways.values()) {
      for (const way of ways) {
        if (way.hasLost) way.from.resetAndDestroy();
        for (const chunk of way.held) way.to.write(chunk);
        way.held = [];
      }
    }
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(client: Socket): void {
    if (this.#isRefusing) {
      this.refused++;
      client.resetAndDestroy();
      return;
    }
    this.accepted++;
    const server = createConnection({ port: this.#targetPort, host: '127.0.0.1', noDelay: true });
    client.setNoDelay(true);
    this.#connect('requests', client, server);
    this.#connect('answers', server, client);
  }

  #connect(direction: Direction, from: Socket, to: Socket): void {
    const way: Way = { from, to, held: [], late: [], hasLost: false };
    this.#ways.get(direction)?.add(way);
    from.on('data', (chunk) => this.#pass(direction, way, chunk));
    from.on('error', () => to.destroy());
    from.on('close', () => {
      this.#ways.get(direction)?.delete(way);
      to.destroy();
    });
  }

  #pass(direction: Direction, way: Way, chunk: Buffer): void {
    const mode = this.#modes.get(direction) ?? 'pass';
    const drop = this.#drops.get(direction);
    if (drop !== undefined && chunk.includes(drop)) {
      this.#drops.delete(direction);
      this.dropped++;
      return;
    }
    const cut = direction === 'answers' ? this.#resetAt : undefined;
    const at = cut === undefined ? -1 : chunk.indexOf(cut.text);
    if (cut !== undefined && at >= 0) {
      this.#resetAt = undefined;
      this.resets++;
      way.from.destroy();
      way.to.write(chunk.subarray(0, at + cut.bytes), () => way.to.resetAndDestroy());
      return;
    }
    if (mode === 'swallow') {
      way.hasLost = true;
      this.swallowed++;
    } else if (mode === 'hold') way.held.push(chunk);
    else if (this.#delayMs === 0 && way.late.length === 0) this.#write(way, chunk);
    else {
      way.late.push(chunk);
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        // Nothing overtakes what was sent before it with a longer delay.
        for (const due of way.late.splice(0, way.late.indexOf(chunk) + 1)) this.#write(way, due);
      }, this.#delayMs);
      this.#timers.add(timer);
    }
  }

  #write({ from, to }: Way, chunk: Buffer): void {
    if (to.destroyed || to.write(chunk)) return;
    from.pause();
    to.once('drain', () => from.resume());
  }
}
