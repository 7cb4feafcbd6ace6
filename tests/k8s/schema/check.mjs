// Holds manifests against the Kubernetes API: required fields, types, enumerations, formats, and no
// field that the API does not know. No cluster is asked.
//
//   node check.mjs REPOSITORY NODE_MODULES
//
// The validators of the npm package kubernetes-models are made from Kubernetes' own OpenAPI
// description. They look at every field that they know and ignore others, so they are given objects
// that remember which of their fields were looked at: what nobody asked for is unknown.
//
// Each object is one test case, and passes only if the check also notices it once it is broken, at every
// place: an unknown field in each of its objects, and a wrong type for each of its values.
import fs from 'node:fs';
import path from 'node:path';
import {createRequire} from 'node:module';

const [repository, modules] = process.argv.slice(2);
const require = createRequire(path.join(path.resolve(modules), 'here.js'));
const YAML = require('yaml');

// Where any name may stand as a field, and the value may be text or a number.
const resourceLists = new Set(['limits', 'requests']);

function validatorOf({apiVersion, kind}) {
  const [version, group] = String(apiVersion).split('/').reverse();
  const capital = (text) => text[0].toUpperCase() + text.slice(1);
  const name = `IoK8sApi${capital((group ?? 'core').split('.')[0])}${capital(version)}${kind}.js`;
  const file = path.join(path.resolve(modules), 'kubernetes-models/_schemas', name);
  if (!fs.existsSync(file)) throw new Error(`no such kind: ${apiVersion} ${kind}`);
  return require(file).validate;
}

// A copy of `data` that puts the path of each field that is looked at into `seen`.
function watched(data, seen, at = '') {
  if (data === null || typeof data !== 'object') return data;
  const copy = Array.isArray(data) ? [] : {};
  for (const key of Object.keys(data)) copy[key] = watched(data[key], seen, `${at}/${key}`);
  return new Proxy(copy, {
    get(target, key) {
      if (typeof key === 'string' && Object.hasOwn(target, key)) seen.add(`${at}/${key}`);
      return target[key];
    },
  });
}

function* places(data, at = '', keys = []) {
  if (data === null || typeof data !== 'object') return;
  for (const key of Object.keys(data)) {
    yield {at: `${at}/${key}`, keys: [...keys, key], value: data[key]};
    yield* places(data[key], `${at}/${key}`, [...keys, key]);
  }
}

function problems(object) {
  const seen = new Set();
  const validate = validatorOf(object);
  const found = [];
  if (!validate(watched(object, seen))) {
    for (const error of validate.errors) {
      found.push(`${error.instancePath}: ${error.keyword} ${JSON.stringify(error.params)}`);
    }
  }
  for (const {at} of places(object)) {
    if (!seen.has(at)) found.push(`${at}: no such field`);
  }
  return found;
}

// The ways to break `object` that the check does not notice.
function unnoticed(object) {
  const missed = [];
  const broken = (keys, change) => {
    const copy = structuredClone(object);
    let node = copy;
    for (const key of keys.slice(0, -1)) node = node[key];
    change(node, keys.at(-1));
    return problems(copy).length > 0;
  };
  for (const {at, keys, value} of places(object)) {
    if (keys.length === 1 && !['metadata', 'spec', 'data'].includes(keys[0])) continue;
    const isObject = value !== null && typeof value === 'object' && !Array.isArray(value);
    if (isObject && !resourceLists.has(keys.at(-1))) {
      if (!broken(keys, (node, key) => { node[key].noSuchField = 1; })) missed.push(`${at}/noSuchField`);
    }
    const wrong = typeof value === 'string' ? [value] : 'wrong';
    // Ports and the like may be numbers or names.
    const either = ['port', 'targetPort', 'maxUnavailable'].includes(keys.at(-1));
    if (!broken(keys, (node, key) => { node[key] = either ? [value] : wrong; })) missed.push(`${at}: any type`);
  }
  return missed;
}

function objectsOf(folder) {
  return fs.readdirSync(folder).filter((name) => name.endsWith('.yaml')).sort().flatMap((name) => {
    const text = fs.readFileSync(path.join(folder, name), 'utf8');
    // The version of YAML that Kubernetes reads; a key that comes twice is an error.
    return YAML.parseAllDocuments(text, {version: '1.1', uniqueKeys: true, strict: true}).map((document) => {
      const complaints = [...document.errors, ...document.warnings].map((error) => error.message);
      return {file: path.join(folder, name), complaints, object: document.toJS()};
    });
  });
}

function journal(what, name) {
  const {ESTIBA_TEST_JOURNAL: file, ESTIBA_TEST_ENTRY: entry = '-'} = process.env;
  if (file) fs.appendFileSync(file, `${what}\t${entry}\t${name}\n`);
}

const folders = ['k8s', 'k8s/nodeport', 'k8s/loadbalancer'];
let failed = 0;
let passed = 0;
for (const {file, complaints, object} of folders.flatMap((folder) => objectsOf(path.join(repository, folder)))) {
  const name = `${path.relative(repository, file)}: ${object?.kind} ${object?.metadata?.name} is what the API takes`;
  journal('started', name);
  let found = complaints;
  try {
    if (found.length === 0) found = problems(object);
    if (found.length === 0) found = unnoticed(object).map((at) => `a break would go unnoticed: ${at}`);
  } catch (error) {
    found = [String(error)];
  }
  for (const problem of found) console.log(`${file}: ${problem}`);
  journal(found.length === 0 ? 'passed' : 'failed', name);
  if (found.length === 0) passed++; else failed++;
}
console.log(`${passed} objects are what the API takes, ${failed} are not`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
