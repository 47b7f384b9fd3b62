// Copies the examples beside their snapshots, where the snapshot tool looks for them.
import {copyFileSync, readdirSync} from "node:fs";
import {dirname, join} from "node:path";
import {fileURLToPath} from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const examples = join(here, "..", "..", "..", "examples");
for (const name of readdirSync(join(here, "snap")).filter((name) => name.endsWith(".snap"))) {
  const plan = name.slice(0, -".snap".length);
  copyFileSync(join(examples, plan), join(here, "snap", plan));
}
