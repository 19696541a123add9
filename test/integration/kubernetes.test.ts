/**
 * The manifests in config/k8s: they render, they are what Kubernetes takes, what they name exists, and a process that is
 * started as they say does what their probes and signals count on.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { metricTable } from '../../src/observability/names.js';
import { knownVariables } from '../../src/options/names.js';
import { parseDuration } from '../../src/options/quantities.js';
import { resolveOptions } from '../../src/options/resolve.js';
import { freePort } from '../../src/services/free-port.js';
import { runCommand } from '../../src/services/run-command.js';
import { capture } from '../support/capture.js';
import { Cluster } from '../support/cluster.js';
import type { Container, HttpProbe, Pod, Resource } from '../support/manifest.js';
import { find, rendered, startPod, templateOf } from '../support/manifest.js';
import { ledgerRules } from '../support/meanings.js';
import { expected } from '../support/oracle.js';
import { expectStored, untilDecided } from '../support/redis-state.js';
import { until } from '../support/until.js';
import { makeWorkload, SteadyPublisher } from '../support/workload.js';

const overlays = ['dev', 'prod'] as const;
const resources = new Map<string, readonly Resource[]>();

beforeAll(async () => {
  for (const overlay of overlays) resources.set(overlay, await rendered(`config/k8s/overlays/${overlay}`));
  const extra = await mkdtemp(join(process.cwd(), '.millrace-keda-'));
  await writeFile(
    join(extra, 'kustomization.yaml'),
    'resources: [../config/k8s/overlays/prod]\ncomponents: [../config/k8s/components/keda]\n',
  );
  resources.set('prod with KEDA', await rendered(extra).finally(() => rm(extra, { recursive: true })));
}, 120_000);

const all = (): Resource[] => [...resources.values()].flat();
const nodesOf = (overlay: string): Resource => find(resources.get(overlay)!, 'StatefulSet', '^millrace$');

/** Where the types of a kind stand in the package `kubernetes-types`; others belong to operators. */
const typesOf: Readonly<Record<string, string>> = {
  v1: 'core/v1',
  'apps/v1': 'apps/v1',
  'batch/v1': 'batch/v1',
  'policy/v1': 'policy/v1',
  'networking.k8s.io/v1': 'networking/v1',
};

describe('the manifests', () => {
  it('are what the types of Kubernetes allow, field by field', async () => {
    const lines = all().map((resource, n) => {
      const types = typesOf[resource.apiVersion];
      if (types === undefined) return '';
      const name = `${resource.kind}${n}`;
      return `import type { ${resource.kind} as ${name} } from 'kubernetes-types/${types}';\nexport const r${n}: ${name} = ${JSON.stringify(resource)};`;
    });
    expect(lines.filter((line) => line !== '').length).toBeGreaterThan(25);
    const check = async (text: string): Promise<string> => {
      const dir = await mkdtemp(join(process.cwd(), '.millrace-types-'));
      try {
        await writeFile(join(dir, 'check.ts'), text);
        const args = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'esnext', '--moduleResolution', 'bundler'];
        const tsc = ['node_modules/typescript/bin/tsc', '--ignoreConfig', ...args, join(dir, 'check.ts')];
        const end = await runCommand(process.execPath, tsc, { env: process.env, timeoutMs: 60_000 });
        return end.failure === undefined ? '' : `${end.failure}\n${end.stdout}`;
      } finally {
        await rm(dir, { recursive: true });
      }
    };
    expect(await check(lines.join('\n'))).toBe('');
    const wrong = lines
      .find((line) => line.includes('"StatefulSet"'))!
      .replace('"podManagementPolicy"', '"podManagment"');
    expect(await check(wrong)).toMatch(/podManagment/);
  });

  it('name only what exists: selectors, ports, volumes, services', () => {
    for (const overlay of resources.keys()) {
      const some = resources.get(overlay)!;
      const pods = some.flatMap((one) =>
        one.kind === 'StatefulSet' || one.kind === 'Deployment' ? [templateOf(one)] : [],
      );
      const selected = (labels: Record<string, string>) =>
        pods.filter((pod) => Object.entries(labels).every(([name, value]) => pod.metadata.labels[name] === value));
      for (const { kind, metadata, spec } of some) {
        const { selector, ports } = (spec ?? {}) as {
          selector?: { matchLabels?: Record<string, string> } & Record<string, unknown>;
          ports?: { targetPort: string }[];
        };
        if (selector === undefined) continue;
        const chosen = selected(selector.matchLabels ?? (selector as Record<string, string>));
        expect(chosen.length, `${overlay}: ${kind} ${metadata.name}`).toBe(1);
        const names = chosen[0]!.spec.containers.flatMap((one) => (one.ports ?? []).map(({ name }) => name));
        if (kind === 'Service') for (const { targetPort } of ports!) expect(names).toContain(targetPort);
      }
      for (const { spec } of pods)
        for (const { volumeMounts = [] } of spec.containers)
          for (const { name } of volumeMounts) expect(spec.volumes!.map((volume) => volume.name)).toContain(name);
      expect(nodesOf(overlay).spec).toMatchObject({ serviceName: 'millrace-nodes', podManagementPolicy: 'Parallel' });
      for (const name of ['millrace-nodes', 'millrace']) find(some, 'Service', `^${name}$`);
      for (const { metadata } of some)
        if (overlay === 'dev') expect(metadata.namespace ?? metadata.name).toBe('millrace-dev');
    }
  });

  it('give no pod more rights than it needs', () => {
    for (const one of all()) {
      if (!['StatefulSet', 'Deployment', 'Job'].includes(one.kind)) continue;
      const { spec } = templateOf(one);
      expect(spec).toMatchObject({ automountServiceAccountToken: false, enableServiceLinks: false });
      expect(spec.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
      for (const { securityContext } of spec.containers)
        expect(securityContext).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        });
    }
  });

  it('set options that exist, to values that are allowed', async () => {
    for (const overlay of resources.keys()) {
      const some = resources.get(overlay)!;
      const file = find(some, 'ConfigMap', /^millrace-[a-z0-9]{10}$/).data!['millrace.yaml']!;
      for (const owner of [nodesOf(overlay), find(some, 'Job')]) {
        const env = templateOf(owner).spec.containers[0]!.env!;
        for (const { name } of env) if (name.startsWith('MILLRACE_')) expect(knownVariables).toContain(name);
        const plain = env.flatMap(({ name, value }) =>
          value === undefined || name.endsWith('_FILE') ? [] : [[name, value]],
        );
        const token = { MILLRACE_HTTP_TOKEN: 'x' };
        resolveOptions({
          flags: {},
          env: { ...Object.fromEntries(plain), ...token },
          file: { path: 'millrace.yaml', text: file },
        });
      }
    }
  });

  it('leave a node more time to end than it takes', () => {
    for (const overlay of resources.keys()) {
      const { spec } = templateOf(nodesOf(overlay));
      const drain = spec.containers[0]!.env!.find(({ name }) => name === 'MILLRACE_DRAIN_TIMEOUT')!.value!;
      expect(spec.terminationGracePeriodSeconds! * 1_000).toBeGreaterThanOrEqual(parseDuration(drain)! + 5_000);
    }
  });

  it('have the alerts that are there without Kubernetes too', async () => {
    const rules = parse(await readFile('config/alerts/millrace.yaml', 'utf8')) as object;
    expect(find(resources.get('prod')!, 'PrometheusRule').spec).toEqual(rules);
  });

  it('the dashboard, the alerts and the scaling ask for metrics that a node has', () => {
    const known = Object.keys(metricTable);
    const texts = all()
      .filter(
        ({ kind, metadata }) => /PrometheusRule|ScaledObject/.test(kind) || metadata.name === 'millrace-dashboard',
      )
      .map((one) => JSON.stringify(one));
    expect(texts.length).toBe(5);
    for (const text of texts) {
      const asked = [...text.matchAll(/\bmillrace_[a-z_]+/g)].map(([name]) => name);
      expect(asked.length).toBeGreaterThan(0);
      // A histogram has one name, and series of its own for its buckets.
      for (const name of asked) expect(known).toContain(name.replace(/_bucket$/, ''));
    }
  });
});

describe('a pod', () => {
  let cluster: Cluster;
  let root: string;
  const started: Pod[] = [];
  const template = () => templateOf(nodesOf('dev'));
  const node = (): Container => template().spec.containers[0]!;

  beforeAll(async () => {
    cluster = await Cluster.start();
    root = await mkdtemp(join(tmpdir(), 'millrace-pod-'));
  });
  afterAll(async () => {
    for (const pod of started) pod.process.kill('SIGKILL');
    await Promise.all(started.map((pod) => pod.exited));
    await cluster?.stop();
    await rm(root, { recursive: true, force: true });
  });

  async function pod(index: number, more: Record<string, string> = {}): Promise<{ pod: Pod; ask: Ask; http: string }> {
    const [http, probes] = [await freePort(), await freePort()];
    const one = await startPod({
      resources: resources.get('dev')!,
      template: template(),
      name: `millrace-${index}`,
      labels: { 'apps.kubernetes.io/pod-index': String(index) },
      root,
      secrets: { 'http-token': 'secret-of-the-pod', 'nats-url': cluster.nats.url, 'redis-url': cluster.redis.url },
      ports: { MILLRACE_HTTP_PORT: String(http), MILLRACE_PROBES_PORT: String(probes), ...more },
    });
    started.push(one);
    const ask: Ask = async ({ httpGet }) => {
      const response = await fetch(`http://127.0.0.1:${probes}${httpGet.path}`).catch(() => undefined);
      return response?.status ?? 0;
    };
    return { pod: one, ask, http: `http://127.0.0.1:${http}` };
  }

  it('waits alive for NATS, and ends in its time when it is told to', async () => {
    cluster.nats.pause();
    const { pod: one, ask } = await pod(0);
    await until(async () => (await ask(node().livenessProbe!)) === 200, 20_000, 'a live pod');
    expect(await ask(node().startupProbe!)).toBe(503);
    expect(await ask(node().readinessProbe!)).toBe(503);
    one.process.kill('SIGTERM');
    const grace = template().spec.terminationGracePeriodSeconds! * 1_000;
    await until(
      () => one.process.exitCode !== null,
      grace,
      () => `the end; ${one.output()}`,
    );
    cluster.nats.resume();
    expect(one.process.signalCode).toBeNull();
  });

  it('is provisioned by the job, gets ready, shares with a second one, hands over in its time, and nothing is lost', async () => {
    const job = await startPod({
      resources: resources.get('dev')!,
      template: templateOf(find(resources.get('dev')!, 'Job')),
      ...{ name: 'millrace-provision', root, ports: {} },
      secrets: { 'nats-url': cluster.nats.url, 'redis-url': cluster.redis.url },
    });
    started.push(job);
    expect(await job.exited, job.output()).toEqual({ code: 0, signal: null });

    const ledger = { MILLRACE_HANDLER: 'ledger', MILLRACE_ORDER_SETTLE: '300ms', MILLRACE_ORDER_IDLE: '300ms' };
    const first = await pod(0, ledger);
    await until(
      async () => (await first.ask(node().startupProbe!)) === 200,
      30_000,
      () => `a start; ${first.pod.output()}`,
    );
    await until(async () => (await first.ask(node().readinessProbe!)) === 200, 10_000, 'a ready pod');
    expect(first.pod.output()).toMatch(/"node":"millrace-0"/);

    const from = Date.now() - 300_000;
    const publisher = new SteadyPublisher(
      cluster.nc,
      makeWorkload({ seed: 9, events: 6_000, keys: 300, from, disorderMs: 200 }),
      20,
    );
    publisher.allow(0.5);
    await untilDecided(cluster.db, 'main', 500, 20_000);
    const asked = await fetch(`${first.http}/v1/status`, { headers: { authorization: 'Bearer secret-of-the-pod' } });
    expect(asked.status).toBe(200);
    expect((await fetch(`${first.http}/v1/status`)).status).toBe(401);

    cluster.redis.pause();
    expect(await first.ask(node().livenessProbe!)).toBe(200);
    cluster.redis.resume();

    const second = await pod(1, ledger);
    await until(
      async () => (await second.ask(node().readinessProbe!)) === 200,
      30_000,
      () => `a second pod with its share; ${second.pod.output()}`,
    );
    const own = await sharesOf([first.http, second.http]);
    expect(new Set(own.flat()).size).toBe(64);

    const grace = template().spec.terminationGracePeriodSeconds! * 1_000;
    const toldAt = performance.now();
    first.pod.process.kill('SIGTERM');
    const seen = new Set<number>();
    await until(
      async () => {
        seen.add(await first.ask(node().readinessProbe!));
        return first.pod.process.exitCode !== null;
      },
      grace,
      () => `the end within the grace period; ${first.pod.output()}`,
    );
    expect(await first.pod.exited, first.pod.output()).toEqual({ code: 0, signal: null });
    expect(performance.now() - toldAt).toBeLessThan(grace);
    expect(seen).toContain(503);
    expect(first.pod.output()).toMatch(/"event":"node\.stopped"|node\.stopped/);

    publisher.allow(1);
    const again = await pod(0, ledger);
    await until(async () => (await again.ask(node().readinessProbe!)) === 200, 30_000, 'a ready pod again');
    await publisher.done;
    const wanted = expected(await capture(cluster.nc, 'EVENTS'), ledgerRules);
    await untilDecided(cluster.db, 'main', wanted.events, 30_000);
    for (const { pod: one } of [again, second]) {
      one.process.kill('SIGTERM');
      expect(await one.exited, one.output()).toEqual({ code: 0, signal: null });
    }
    await expectStored(cluster.db, 'main', wanted);
  });
});

/** The partitions that run on each node. */
async function sharesOf(urls: readonly string[]): Promise<number[][]> {
  const headers = { authorization: 'Bearer secret-of-the-pod' };
  return Promise.all(
    urls.map(async (url) => {
      const { partitions } = (await (await fetch(`${url}/v1/status`, { headers })).json()) as {
        partitions: { partition: number; phase: string }[];
      };
      return partitions.filter(({ phase }) => phase === 'running').map(({ partition }) => partition);
    }),
  );
}

type Ask = (probe: HttpProbe) => Promise<number>;

describe('the image', () => {
  it('has the entry point, the user and the ports that the manifests count on', async () => {
    const text = await readFile('Dockerfile', 'utf8');
    expect(text).toMatch(/^ENTRYPOINT \["node", "\/app\/dist\/src\/cli\/main\.js"\]$/m);
    const { runAsUser, runAsGroup } = templateOf(nodesOf('prod')).spec.securityContext!;
    expect(text).toContain(`USER ${runAsUser}:${runAsGroup}\n`);
    const ports = templateOf(nodesOf('prod')).spec.containers[0]!.ports!.map(({ containerPort }) => containerPort);
    expect(text).toContain(`EXPOSE ${ports.join(' ')}\n`);
  });
});
