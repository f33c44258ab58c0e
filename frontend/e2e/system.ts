import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { promisify } from 'node:util'

/** The system behind the page, from its own side: RUN_DIR is the directory of its instance. */
const run = promisify(execFile)
const project = resolve(import.meta.dirname, '../..')
export const runDir = process.env.RUN_DIR
const python = process.env.PYTHON ?? resolve(project, '.venv/bin/python')

const port = (server: 'mysql' | 'redis'): string => String((JSON.parse(readFileSync(`${runDir}/state.json`, 'utf8')) as { ports: Record<string, number> }).ports[server])

/** The `inventory` command; its JSON. */
export async function inventory<T>(...args: string[]): Promise<T> {
  // Playwright tells its children to write in colours.
  const env = { ...process.env, FORCE_COLOR: undefined, NO_COLOR: '1' }
  const { stdout } = await run(python, ['-m', 'infra.cli.main', ...(runDir ? ['--run-dir', runDir] : []), ...args, '--json'], { cwd: project, env })
  return JSON.parse(stdout) as T
}

/** Give a user another role, as an operator. */
export const setRole = async (username: string, role: 'viewer' | 'clerk' | 'manager' | 'admin'): Promise<void> => void (await inventory('users', 'role', username, role))

const SQL = `import json, sys, pymysql
with pymysql.connect(host="127.0.0.1", port=int(sys.argv[1]), user="root", password="root", database="inventory_db", autocommit=True) as held, held.cursor() as cursor:
    cursor.execute(sys.argv[2], json.loads(sys.argv[3]))`
export const sql = async (statement: string, values: unknown[]): Promise<void> => void (await run(python, ['-c', SQL, port('mysql'), statement, JSON.stringify(values)]))

const REDIS = `import sys, redis
redis.Redis(port=int(sys.argv[1])).execute_command(*sys.argv[2:])`
export const redis = async (...command: string[]): Promise<void> => void (await run(python, ['-c', REDIS, port('redis'), ...command]))
