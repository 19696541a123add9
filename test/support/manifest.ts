/**
 * Rendered manifests as the kubelet reads them: pods out of their templates, with files for their volumes and variables
 * for their environment. A pod here is a process of this machine: mounts lie below a directory of its own, and ports
 * are free ones; everything else is what the manifest says.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { kustomize } from './kubectl.js';

export interface Resource {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: Record<string, string> };
  readonly spec?: Record<string, unknown>;
  readonly data?: Record<string, string>;
}

export interface EnvVar {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: { readonly fieldRef: { readonly fieldPath: string } };
}

export interface HttpProbe {
  readonly httpGet: { readonly path: string; readonly port: string };
}

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: readonly EnvVar[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
  readonly startupProbe?: HttpProbe;
  readonly livenessProbe?: HttpProbe;
  readonly readinessProbe?: HttpProbe;
  readonly securityContext?: Record<string, unknown>;
}

export interface PodSpec {
  readonly containers: readonly Container[];
  readonly volumes?: readonly {
    readonly name: string;
    readonly configMap?: { readonly name: string };
    readonly secret?: { readonly secretName: string };
  }[];
  readonly terminationGracePeriodSeconds?: number;
  readonly securityContext?: Record<string, unknown>;
}

export interface PodTemplate {
  readonly metadata: { readonly labels: Record<string, string> };
  readonly spec: PodSpec;
}

/** All resources of a kustomization. */
export async function rendered(dir: string): Promise<Resource[]> {
  return parseAllDocuments(await kustomize(dir)).map((document) => document.toJS() as Resource);
}

export function find(resources: readonly Resource[], kind: string, name: string | RegExp = /./): Resource {
  const found = resources.find((one) => one.kind === kind && new RegExp(name).test(one.metadata.name));
  if (found === undefined) throw new Error(`there is no ${kind} ${name}`);
  return found;
}

export function templateOf(resource: Resource): PodTemplate {
  return (resource.spec as { template: PodTemplate }).template;
}

export interface PodOptions {
  readonly resources: readonly Resource[];
  readonly template: PodTemplate;
  /** Name of the pod, and what the controller adds to its labels. */
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Everything that is mounted lies below. */
  readonly root: string;
  /** What the operator puts into secrets, in place of what was generated. */
  readonly secrets: Readonly<Record<string, string>>;
  /** Variables for what a machine cannot give to two pods: ports. */
  readonly ports: Readonly<Record<string, string>>;
}

export interface Pod {
  readonly process: ChildProcess;
  readonly output: () => string;
  readonly exited: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
}

/** Starts the pod's first container with the image's own entry point. */
export async function startPod(options: PodOptions): Promise<Pod> {
  const { template, root } = options;
  const container = template.spec.containers[0]!;
  await mountVolumes(options, container);
  const [program, ...first] = container.command ?? (await entryPoint());
  const command = [...first, ...(container.args ?? [])].map((word) => word.replace(/^\/app\//, `${process.cwd()}/`));
  const env = { PATH: process.env.PATH, NODE_ENV: 'production', ...environment(options, container), ...options.ports };
  const child = spawn(program === 'node' ? process.execPath : program!, command, {
    env,
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  const exited = new Promise<Awaited<Pod['exited']>>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  return { process: child, output: () => output, exited };
}

/** The entry point of the image, as its Dockerfile has it. */
async function entryPoint(): Promise<string[]> {
  const text = await readFile('Dockerfile', 'utf8');
  return JSON.parse(/^ENTRYPOINT (\[.*\])$/m.exec(text)![1]!) as string[];
}

/** Variables of the container; a path below a mount is one below the pod's directory. */
function environment({ root, name, template, labels }: PodOptions, container: Container): Record<string, string> {
  const mounts = (container.volumeMounts ?? []).map(({ mountPath }) => mountPath);
  const all: Record<string, string> = { ...template.metadata.labels, ...labels };
  const field = (path: string): string => {
    if (path === 'metadata.name') return name;
    const label = /^metadata\.labels\['(.+)'\]$/.exec(path)?.[1];
    if (label === undefined) throw new Error(`the field ${path} is not known here`);
    return all[label] ?? '';
  };
  const textOf = ({ value, valueFrom }: EnvVar): string => {
    if (valueFrom !== undefined) return field(valueFrom.fieldRef.fieldPath);
    return mounts.some((mount) => value?.startsWith(`${mount}/`)) ? join(root, value!) : (value ?? '');
  };
  return Object.fromEntries((container.env ?? []).map((one) => [one.name, textOf(one)]));
}

async function mountVolumes({ resources, root, template, secrets }: PodOptions, container: Container): Promise<void> {
  for (const { name, mountPath } of container.volumeMounts ?? []) {
    const volume = template.spec.volumes?.find((one) => one.name === name);
    const config =
      volume?.configMap === undefined ? {} : find(resources, 'ConfigMap', `^${volume.configMap.name}$`).data;
    const files: Record<string, string> = volume?.secret === undefined ? { ...config } : { ...secrets };
    for (const [file, text] of Object.entries(files)) {
      const path = join(root, mountPath, file);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, text);
    }
  }
}
