import { get, list, post, put, remove } from '@/api/client'
import type { Supplier } from '@/api/types'

export type ContactKind = 'suppliers' | 'customers'
/** Suppliers and customers are the same to the eye. */
export type Contact = Supplier
export type ContactInput = Pick<Contact, 'name' | 'city' | 'address' | 'contact_person'>

export const getContact = (kind: ContactKind, id: number, signal?: AbortSignal): Promise<Contact> => get(`/api/${kind}/${id}`, undefined, signal)
export const createContact = (kind: ContactKind, input: ContactInput, idempotencyKey: string): Promise<Contact> => post(`/api/${kind}`, input, { idempotencyKey })
export const updateContact = (kind: ContactKind, id: number, input: ContactInput): Promise<Contact> => put(`/api/${kind}/${id}`, input)
export const deleteContact = (kind: ContactKind, id: number): Promise<void> => remove(`/api/${kind}/${id}`)

export async function searchContacts(kind: ContactKind, text: string, signal?: AbortSignal): Promise<Contact[]> {
  return (await list<Contact>(`/api/${kind}`, kind, { q: text, limit: 8, sort: text ? 'name' : '-id' }, signal)).items
}
export const searchSuppliers = (text: string, signal?: AbortSignal): Promise<Contact[]> => searchContacts('suppliers', text, signal)
export const searchCustomers = (text: string, signal?: AbortSignal): Promise<Contact[]> => searchContacts('customers', text, signal)
