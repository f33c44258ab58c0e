import { flushPromises, mount } from '@vue/test-utils'
import { describe, expect, it, vi } from 'vitest'
import { nextTick, type Component } from 'vue'
import { layOut } from '@/pages/operations/components/layout'
import { Problem } from '@/api/problem'
import { chartOption } from './chartOption'
import ConfirmDialog from './ConfirmDialog.vue'
import DataTable from './DataTable.vue'
import EntityPicker from './EntityPicker.vue'
import { wordsOf } from './eventWords'
import ExactFilter from './ExactFilter.vue'

const PATIENCE = { timeout: 30_000 }

describe('EntityPicker', () => {
  const items = [{ id: 1, name: 'Lamp', code: 'L-1' }, { id: 2, name: 'Lantern', code: 'L-2' }]
  type Item = (typeof items)[number]
  function picker(search: (text: string) => Promise<Item[]>) {
    const wrapper = mount(EntityPicker as Component, {
      props: { modelValue: null, search, title: (item: Item) => item.name, exact: (item: Item, text: string) => item.code === text },
    })
    return { wrapper, input: wrapper.get('input') }
  }

  it('takes the exact one once it comes, when Enter came before the answer', async () => {
    let answer!: (found: Item[]) => void
    const { wrapper, input } = picker(() => new Promise((resolve) => (answer = resolve)))
    await input.setValue('L-2')
    await input.trigger('keydown', { key: 'Enter' })
    await vi.waitFor(() => expect(answer).toBeDefined(), PATIENCE)
    answer(items)
    await flushPromises()
    expect(wrapper.emitted('picked')?.[0]).toEqual([items[1]])
  })

  it('waits with Enter for what was typed last, whatever comes of the beginning of it', async () => {
    const asked = new Map<string, (found: Item[]) => void>()
    const { wrapper, input } = picker((text) => new Promise((resolve) => asked.set(text, resolve)))
    await input.setValue('L')
    await vi.waitFor(() => expect(asked.has('L')).toBe(true), PATIENCE)
    await input.setValue('L-2')
    await input.trigger('keydown', { key: 'Enter' })
    asked.get('L')?.(items)
    await flushPromises()
    await vi.waitFor(() => expect(asked.has('L-2')).toBe(true), PATIENCE)
    asked.get('L-2')?.(items.slice(1))
    await flushPromises()
    expect(wrapper.emitted('picked')?.[0]).toEqual([items[1]])
  })

  it('takes none of several that are not exactly what was typed', async () => {
    let answer!: (found: Item[]) => void
    const { wrapper, input } = picker(() => new Promise((resolve) => (answer = resolve)))
    await input.setValue('La')
    await input.trigger('keydown', { key: 'Enter' })
    await vi.waitFor(() => expect(answer).toBeDefined(), PATIENCE)
    answer(items)
    await flushPromises()
    expect(wrapper.emitted('picked')).toBeUndefined()
    await input.trigger('keydown', { key: 'ArrowDown' })
    await input.trigger('keydown', { key: 'Enter' })
    expect(wrapper.emitted('picked')?.[0]).toEqual([items[1]])
  })

  it('closes its list with Escape without closing the dialog around it', async () => {
    const { input } = picker(async () => items)
    await input.trigger('click')
    await flushPromises()
    expect(input.attributes('aria-expanded')).toBe('true')
    const outside = vi.fn()
    document.addEventListener('keydown', outside)
    await input.trigger('keydown', { key: 'Escape' })
    document.removeEventListener('keydown', outside)
    expect(input.attributes('aria-expanded')).toBe('false')
    expect(outside).not.toHaveBeenCalled()
  })

  it('says when nothing is found, and when it cannot ask', async () => {
    const nothing = picker(async () => [])
    await nothing.input.trigger('click')
    await flushPromises()
    expect(nothing.wrapper.text()).toContain('Nothing found')
    const away = picker(async () => Promise.reject(new Error('no')))
    await away.input.trigger('click')
    await flushPromises()
    expect(away.wrapper.text()).toContain('not available')
  })
})

describe('DataTable', () => {
  const props = { label: 'Orders', columns: [{ key: 'id', label: 'No.', sort: 'id' }], rows: [{ id: 1 }, { id: 2 }], loading: false, total: 60, page: 2, limit: 25, sort: '-id' }

  it('says where in the list one is, and how it is sorted', async () => {
    const wrapper = mount(DataTable, { props })
    expect(wrapper.text()).toContain('26–27 of 60')
    expect(wrapper.get('th').attributes('aria-sort')).toBe('descending')
    await wrapper.get('th button').trigger('click')
    expect(wrapper.emitted('sort')).toEqual([['id']])
    await wrapper.get('[aria-label="Next page"]').trigger('click')
    expect(wrapper.emitted('page')).toEqual([[3]])
  })

  it('tells empty, filtered to nothing, and failed apart', () => {
    const global = { stubs: { RouterLink: true } }
    expect(mount(DataTable, { props: { ...props, rows: [], total: 0 }, slots: { empty: 'No orders yet' }, global }).text()).toContain('No orders yet')
    expect(mount(DataTable, { props: { ...props, rows: [], total: 0, filtered: true }, global }).text()).toContain('Nothing matches')
    const failed = mount(DataTable, { props: { ...props, rows: [], total: 0, error: new Problem(503, 'unavailable', 'x') }, global })
    expect(failed.get('[role="alert"]').text()).toContain('not available')
    const stale = mount(DataTable, { props: { ...props, error: new Problem(503, 'unavailable', 'x') }, global })
    expect(stale.findAll('tbody tr')).toHaveLength(2)
    expect(stale.text()).toContain('Not up to date')
  })
})

describe('ConfirmDialog', () => {
  it('stays with the reason when it is refused', async () => {
    const act = vi.fn().mockRejectedValue(new Problem(409, 'in_use', 'it has orders'))
    const wrapper = mount(ConfirmDialog, { props: { open: true, title: 'Delete Lamp?', detail: 'Sure?', confirm: 'Delete', refused: 'Lamp cannot be deleted', act }, attachTo: document.body })
    await flushPromises()
    const button = [...document.querySelectorAll('button')].find((candidate) => candidate.textContent === 'Delete')
    button?.click()
    await flushPromises()
    expect(document.body.textContent).toContain('Lamp cannot be deleted')
    expect(document.body.textContent).toContain('it has orders')
    expect(wrapper.emitted('update:open')).toBeUndefined()
    wrapper.unmount()
  })
})

describe('topology', () => {
  it('draws a wire from each publisher to its channel, and from there to each consumer', () => {
    const picture = layOut({ services: [], channels: [{ name: 'a', publisher: 'x', event_types: [], consumers: ['y', 'z'] }, { name: 'b', publisher: 'y', event_types: [], consumers: ['z'] }] })
    expect(picture.wires.map((wire) => wire.id)).toEqual(['x>a', 'a>y', 'a>z', 'y>b', 'b>z'])
    expect(picture.publishers.map((box) => box.id)).toEqual(['x', 'y'])
    expect(picture.consumers.map((box) => box.id)).toEqual(['y', 'z'])
  })
})

describe('words of events', () => {
  it('lead where the event happened', () => {
    expect(wordsOf({ channel: 'order_status', event_id: '1', event_type: 'order_confirmed', order_id: 7, quantity: 3, product_id: 2 }, new Map([[2, 'Lamp']]))).toEqual({ title: 'Order confirmed', detail: 'Order 7 · 3 × Lamp', to: '/orders/7' })
    expect(wordsOf({ event_type: 'supplier_deleted', payload: { supplier_id: 1, name: 'Alder' } }).to).toBeNull()
    expect(wordsOf({ event_type: 'something_new', payload: {} })).toEqual({ title: 'something_new', detail: '', to: null })
  })
})

describe('charts', () => {
  it('are drawn in the colours of the theme, with tooltips that are never HTML', () => {
    const option = chartOption({ kind: 'ranking', labels: ['<b>'], values: [1], format: String, short: String }, (name) => `colour${name}`)
    expect(option).toMatchObject({ tooltip: { renderMode: 'richText' }, yAxis: { type: 'category', inverse: true } })
  })
})

describe('ExactFilter', () => {
  it('counts what is entered, chosen or emptied, not every letter on the way', async () => {
    const filter = mount(ExactFilter, { props: { label: 'City', value: '', options: ['Riga'] } })
    const input = filter.get('input')
    const type = async (text: string, inputType: string): Promise<void> => {
      input.element.value = text
      input.element.dispatchEvent(new InputEvent('input', { inputType }))
      await nextTick()
    }
    await type('Ri', 'insertText')
    expect(filter.emitted('change')).toBeUndefined()
    await type('Riga', 'insertReplacementText')
    input.element.value = ' Oslo '
    await input.trigger('change')
    await type('', 'deleteContentBackward')
    expect(filter.emitted('change')).toEqual([['Riga'], ['Oslo'], ['']])
  })
})
