/** The images of test/images/build.sh: real software from Debian's packages, built once and kept outside the checkout. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

export type TestImage = 'debian' | 'nginx' | 'redis' | 'postgres' | 'python' | 'node' | 'busybox';

const script = join(import.meta.dirname, '../images/build.sh');

/** The image as skopeo names it. The first call may take a minute. */
export async function testImage(name: TestImage): Promise<string> {
  const { stdout } = await promisify(execFile)(script);
  return `oci:${stdout.trim()}:${name}`;
}
