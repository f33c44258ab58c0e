import { computed, ref, type InjectionKey } from 'vue'
import { defineStore } from 'pinia'
import { post } from '@/api/client'
import type { User } from '@/api/types'

const KEY = 'session'
/** How long before its end the end of a session is announced. */
export const WARN_SECONDS = 10 * 60

/** What to do when the session is over; main.ts provides it. */
export const sessionEnd: InjectionKey<() => void> = Symbol('sessionEnd')

interface Kept {
  token: string
  user: User
}

/** When a JWT ends, in milliseconds; null where it does not say. */
export function expiryOf(token: string): number | null {
  try {
    const claims = JSON.parse(atob((token.split('.')[1] ?? '').replace(/-/g, '+').replace(/_/g, '/'))) as { exp?: number }
    return typeof claims.exp === 'number' ? claims.exp * 1000 : null
  } catch {
    return null
  }
}

function restore(): Kept | null {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEY) ?? 'null') as Kept | null
    if (!kept?.token) return null
    const ends = expiryOf(kept.token)
    return ends !== null && ends <= Date.now() ? null : kept
  } catch {
    return null
  }
}

export const useSession = defineStore('session', () => {
  const kept = ref<Kept | null>(restore())
  const now = ref(Date.now())
  setInterval(() => (now.value = Date.now()), 1000)

  const token = computed(() => kept.value?.token ?? null)
  const user = computed(() => kept.value?.user ?? null)
  const signedIn = computed(() => kept.value !== null)
  const endsAt = computed(() => (token.value ? expiryOf(token.value) : null))
  const secondsLeft = computed(() => (endsAt.value === null ? null : (endsAt.value - now.value) / 1000))
  const endsSoon = computed(() => secondsLeft.value !== null && secondsLeft.value <= WARN_SECONDS)

  async function login(username: string, password: string): Promise<void> {
    const answer = await post<Kept>('/api/auth/login', { username, password })
    kept.value = { token: answer.token, user: answer.user }
    now.value = Date.now()
    sessionStorage.setItem(KEY, JSON.stringify(kept.value))
  }

  async function register(username: string, email: string, password: string): Promise<void> {
    await post('/api/auth/register', { username, email, password })
    await login(username, password)
  }

  function forget(): void {
    kept.value = null
    sessionStorage.removeItem(KEY)
  }

  return { token, user, signedIn, endsAt, secondsLeft, endsSoon, login, register, forget }
})
