import type { Topology } from '@/api/types'

export interface Box {
  id: string
  label: string
  x: number
  y: number
  width: number
  height: number
}

export interface Wire {
  id: string
  channel: string
  /** Which half of the way: to the channel, or from it to a consumer. */
  half: 'out' | 'in'
  path: string
}

export interface Picture {
  width: number
  height: number
  publishers: Box[]
  channels: Box[]
  consumers: Box[]
  wires: Wire[]
}

const BOX = { service: 112, channel: 200, height: 34, gap: 14 }

/** Three columns: who publishes, on which channel, who listens. Channels keep near their publisher, so that wires cross little. */
export function layOut(topology: Topology, width = 860): Picture {
  const publisherNames = [...new Set(topology.channels.map((channel) => channel.publisher))]
  const ordered = [...topology.channels].sort((a, b) => publisherNames.indexOf(a.publisher) - publisherNames.indexOf(b.publisher))
  const consumerNames = [...new Set(ordered.flatMap((channel) => channel.consumers))]
  const rows = Math.max(ordered.length, publisherNames.length, consumerNames.length)
  const height = rows * (BOX.height + BOX.gap) + BOX.gap

  const column = (ids: string[], x: number, boxWidth: number): Box[] => {
    const step = height / ids.length
    return ids.map((id, index) => ({ id, label: id, x, y: step * (index + 0.5) - BOX.height / 2, width: boxWidth, height: BOX.height }))
  }
  const publishers = column(publisherNames, 1, BOX.service)
  const channels = column(ordered.map((channel) => channel.name), (width - BOX.channel) / 2, BOX.channel)
  const consumers = column(consumerNames, width - BOX.service - 1, BOX.service)
  const find = (boxes: Box[], id: string): Box => boxes.find((box) => box.id === id) as Box

  const wires = ordered.flatMap((channel): Wire[] => [
    { id: `${channel.publisher}>${channel.name}`, channel: channel.name, half: 'out', path: wire(find(publishers, channel.publisher), find(channels, channel.name)) },
    ...channel.consumers.map((consumer): Wire => ({ id: `${channel.name}>${consumer}`, channel: channel.name, half: 'in', path: wire(find(channels, channel.name), find(consumers, consumer)) })),
  ])
  return { width, height, publishers, channels, consumers, wires }
}

function wire(from: Box, to: Box): string {
  const [x1, y1, x2, y2] = [from.x + from.width, from.y + from.height / 2, to.x, to.y + to.height / 2]
  const bend = (x2 - x1) / 2
  return `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`
}
