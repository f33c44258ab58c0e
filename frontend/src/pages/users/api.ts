import { put } from '@/api/client'
import type { Role, User } from '@/api/types'

export const changeUser = (id: number, standing: { role: Role; disabled: boolean }): Promise<User> => put(`/api/auth/users/${id}`, standing)
