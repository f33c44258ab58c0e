import type { EChartsCoreOption } from 'echarts/core'

export interface ChartData {
  kind: 'line' | 'steps' | 'bars' | 'ranking'
  labels: string[]
  values: number[]
  /** As tooltips and the table say it. */
  format: (value: number) => string
  /** As the axis says it. */
  short: (value: number) => string
}

/** What ECharts is to draw, in the colours of the theme (`color` reads a CSS variable). Labels go through its text renderer: never as HTML. */
export function chartOption(data: ChartData, color: (name: string) => string): EChartsCoreOption {
  const ranking = data.kind === 'ranking'
  const names = {
    type: 'category',
    data: data.labels,
    inverse: ranking,
    boundaryGap: data.kind === 'bars' || ranking,
    axisLine: { show: !ranking, lineStyle: { color: color('--line-strong') } },
    axisTick: { show: false },
    axisLabel: { color: color('--text-faint'), fontSize: 12, hideOverlap: true, ...(ranking ? { width: 130, overflow: 'truncate', color: color('--text') } : {}) },
  }
  const numbers = {
    type: 'value',
    splitNumber: 4,
    axisLabel: { show: !ranking, color: color('--text-faint'), fontSize: 12, formatter: data.short },
    splitLine: { show: !ranking, lineStyle: { color: color('--line') } },
  }
  const line = data.kind === 'line' || data.kind === 'steps'
  return {
    animationDuration: 300,
    animationDurationUpdate: 200,
    textStyle: { fontFamily: color('--font') },
    grid: { left: 4, right: ranking ? 76 : 12, top: 12, bottom: 4, containLabel: true },
    tooltip: {
      trigger: 'axis',
      renderMode: 'richText',
      axisPointer: { type: line ? 'line' : 'shadow', lineStyle: { color: color('--line-strong') }, shadowStyle: { color: color('--line'), opacity: 0.4 } },
      backgroundColor: color('--raised'),
      borderColor: color('--line-strong'),
      textStyle: { color: color('--text'), fontSize: 13, fontFamily: color('--font') },
      valueFormatter: (value: unknown) => data.format(Number(value)),
    },
    xAxis: ranking ? numbers : names,
    yAxis: ranking ? names : numbers,
    series: [
      {
        type: line ? 'line' : 'bar',
        data: data.values,
        step: data.kind === 'steps' ? 'end' : undefined,
        smooth: false,
        symbol: data.values.length === 1 ? 'circle' : 'none',
        color: color('--chart-1'),
        lineStyle: { width: 2 },
        areaStyle: line ? { opacity: 0.12 } : undefined,
        barMaxWidth: ranking ? 16 : 22,
        itemStyle: { borderRadius: ranking ? [0, 4, 4, 0] : [3, 3, 0, 0] },
        label: ranking ? { show: true, position: 'right', color: color('--text-soft'), fontSize: 12, formatter: (item: { value: number }) => data.short(item.value) } : undefined,
      },
    ],
  }
}
