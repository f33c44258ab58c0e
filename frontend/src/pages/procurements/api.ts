import { post } from '@/api/client'
import type { Procurement, ProcurementInput } from '@/api/types'

export const createProcurement = (input: ProcurementInput, idempotencyKey: string): Promise<Procurement> => post('/api/procurements', input, { idempotencyKey })
