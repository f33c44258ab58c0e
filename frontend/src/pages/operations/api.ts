import { get, http, list, post } from '@/api/client'
import type { CacheState, DeadLetter, Health, Topology, Trace } from '@/api/types'

/** The health of the whole; a 503 tells it as well as a 200. */
export async function getHealth(signal?: AbortSignal): Promise<Health> {
  return (await http.get<Health>('/health', { signal, validateStatus: (status) => status === 200 || status === 503 })).data
}
export const getTopology = (signal?: AbortSignal): Promise<Topology> => get('/api/system/topology', undefined, signal)
export const getCache = (signal?: AbortSignal): Promise<CacheState> => get('/api/system/cache', undefined, signal)
export const getTrace = (key: string, signal?: AbortSignal): Promise<Trace> => get(`/api/system/traces/${encodeURIComponent(key)}`, undefined, signal)
export const getDeadLetters = async (signal?: AbortSignal): Promise<{ items: DeadLetter[]; total: number }> => list<DeadLetter>('/api/system/dead-letters', 'dead_letters', { replayed: false, limit: 20 }, signal)
export const replayDeadLetter = (id: number): Promise<DeadLetter> => post(`/api/system/dead-letters/${id}/replay`)
