/**
 * The client library's transport with a frame cutter between it and the library's parser. Dialling, TLS, reconnecting
 * and writing stay the library's; only what is read passes the cutter.
 */
import type { ConnectionOptions, NatsConnection } from '@nats-io/nats-core';
import { NatsConnectionImpl, setTransportFactory } from '@nats-io/nats-core/internal';
import { NodeTransport, nodeResolveHost } from '@nats-io/transport-node/lib/node_transport.js';
import { FrameCutter } from './frame-cutter.js';

class CuttingTransport extends NodeTransport {
  readonly cutter = new FrameCutter();

  override async *[Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array> {
    for await (const chunk of super[Symbol.asyncIterator]()) yield* this.cutter.cut(chunk);
  }
}

/** The library's `connect`, with transports that can cut. */
export function connectCutting(options: ConnectionOptions): Promise<NatsConnection> {
  // The library keeps one factory for all connections; whoever calls its own `connect` beside us sets another one,
  // and what reconnects after that is not cut.
  setTransportFactory({ factory: () => new CuttingTransport(), dnsResolveFn: nodeResolveHost });
  return NatsConnectionImpl.connect(options);
}

/** The cutter of the connection as it stands now; undefined where the transport is another one. */
export function cutterOf(connection: NatsConnection): FrameCutter | undefined {
  const { transport } = (connection as unknown as { protocol: { transport: unknown } }).protocol;
  return transport instanceof CuttingTransport ? transport.cutter : undefined;
}
