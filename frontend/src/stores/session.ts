import { computed, ref, type InjectionKey } from 'vue'
import { defineStore } from 'pinia'
import { get, post } from '@/api/client'
import type { Role, User } from '@/api/types'

const KEY = 'session'
/** How long before its end the end of a session is announced. */
export const WARN_SECONDS = 10 * 60

/** Each may do all that those before it may. */
export const ROLES: Role[] = ['viewer', 'clerk', 'manager', 'admin']

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
  /** Whether the user has this role or a higher one; the server decides, the page only offers nothing in vain. */
  const may = (needed: Role): boolean => user.value !== null && ROLES.indexOf(user.value.role) >= ROLES.indexOf(needed)
  const endsAt = computed(() => (token.value ? expiryOf(token.value) : null))
  const secondsLeft = computed(() => (endsAt.value === null ? null : (endsAt.value - now.value) / 1000))
  const endsSoon = computed(() => secondsLeft.value !== null && secondsLeft.value <= WARN_SECONDS)

  function keep(session: Kept): void {
    kept.value = { token: session.token, user: session.user }
    now.value = Date.now()
    sessionStorage.setItem(KEY, JSON.stringify(kept.value))
  }

  async function login(username: string, password: string): Promise<void> {
    keep(await post<Kept>('/api/auth/login', { username, password }))
  }

  async function register(username: string, email: string, password: string): Promise<void> {
    await post('/api/auth/register', { username, email, password })
    await login(username, password)
  }

  /** Everywhere else the user is signed out. */
  async function changePassword(current: string, next: string): Promise<void> {
    keep(await post<Kept>('/api/auth/password', { current_password: current, new_password: next }))
  }

  /** The role may have been changed by an admin since. */
  async function refresh(): Promise<void> {
    const known = await get<User>('/api/auth/me')
    if (kept.value) keep({ token: kept.value.token, user: known })
  }

  /** Have the server forget the token too. Where it cannot be told, the token still ends by itself. */
  async function signOut(): Promise<void> {
    await post('/api/auth/logout').catch(() => undefined)
    forget()
  }

  function forget(): void {
    kept.value = null
    sessionStorage.removeItem(KEY)
  }

  return { token, user, signedIn, endsAt, secondsLeft, endsSoon, may, login, register, changePassword, refresh, signOut, forget }
})
