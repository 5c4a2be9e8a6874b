/// The look of the pages: system fonts, few colours, light and dark, down to 360 px wide, and on paper.
enum PageStyle {
  static let css: Markup = """
    :root {
      color-scheme: light dark;
      --page: #ffffff; --panel: #f5f7f9; --line: #d5dbe1;
      --shade: rgba(20, 30, 40, .22); --ink: #1a1f26; --soft: #56606b;
      --measured: #0b57b0; --predicted: #8a5a00; --band: rgba(199, 138, 20, .20); --target: #b3261e;
      --good: #12703a; --good-panel: #e4f4ea; --bad: #a8211a; --bad-panel: #fdecea;
      --warn: #7a4d00; --warn-panel: #fdf3dc;
    }
    @media (prefers-color-scheme: dark) {
      :root {
        --page: #11151a; --panel: #1a2027; --line: #333c46;
        --shade: rgba(170, 185, 200, .30); --ink: #e7ebf0; --soft: #a3aeba;
        --measured: #74b3ff; --predicted: #e5b04a; --band: rgba(229, 176, 74, .20); --target: #ff8a80;
        --good: #6fd397; --good-panel: #14301f; --bad: #ff9d94; --bad-panel: #3a1a18;
        --warn: #f0c264; --warn-panel: #33270f;
      }
    }
    * { box-sizing: border-box; }
    html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
    body {
      margin: 0 auto; max-width: 62rem; padding: 2.5rem clamp(1rem, 4vw, 2.5rem) 3rem;
      background: var(--page); color: var(--ink);
      font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", sans-serif;
      font-variant-numeric: tabular-nums lining-nums; overflow-wrap: break-word;
    }
    h1 { margin: .4rem 0 .8rem; font-size: clamp(1.6rem, 5vw, 2.25rem); line-height: 1.2; letter-spacing: -.015em;
      font-weight: 650; text-wrap: balance; }
    h2 { margin: 0 0 .9rem; font-size: 1.15rem; line-height: 1.3; font-weight: 650; }
    h3 { margin: 1.5rem 0 .5rem; font-size: 1rem; font-weight: 650; }
    p { margin: 0 0 .8rem; max-width: 44rem; }
    section { margin-top: 2.75rem; padding-top: 1.5rem; border-top: 1px solid var(--line); }
    .lead { font-size: 1.125rem; }
    .soft, .eyebrow, footer { color: var(--soft); }
    .eyebrow { display: flex; flex-wrap: wrap; align-items: center; gap: .35rem .8rem; margin: 0; font-size: .9rem; }
    .whole { white-space: nowrap; }
    .hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
      white-space: nowrap; }
    .verdict { padding: .1rem .65rem; border-radius: 1rem; font-weight: 650; letter-spacing: .02em; }
    .good { color: var(--good); background: var(--good-panel); }
    .bad { color: var(--bad); background: var(--bad-panel); }
    .warn { color: var(--warn); background: var(--warn-panel); }
    .notice { margin: 1.2rem 0; padding: .8rem 1rem; max-width: 46rem;
      border-left: 4px solid currentColor; border-radius: 0 .3rem .3rem 0; }
    .notice.plain { background: var(--panel); border-color: var(--soft); }
    dl { margin: 0; }
    dd { margin: 0; }
    .key { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: 1.4rem 2rem;
      margin: 2rem 0 0; }
    .key dt { color: var(--soft); font-size: .9rem; }
    .key .large { display: block; font-size: 1.75rem; line-height: 1.25; font-weight: 600; letter-spacing: -.01em;
      white-space: nowrap; }
    .key .remark { display: block; color: var(--soft); font-size: .85rem; line-height: 1.4; }
    .facts > div { display: grid; grid-template-columns: 11rem minmax(0, 1fr); gap: 0 1rem; padding: .3rem 0; }
    .facts dt { color: var(--soft); }
    /* The shade at an edge shows that the table goes on there; the inner two layers scroll over it at the end. */
    .scroll { overflow-x: auto; margin: 0 0 1rem; background:
      linear-gradient(to right, var(--page) 50%, transparent) left / 2rem 100% no-repeat local,
      linear-gradient(to left, var(--page) 50%, transparent) right / 2rem 100% no-repeat local,
      linear-gradient(to right, var(--shade), transparent) left / .8rem 100% no-repeat scroll,
      linear-gradient(to left, var(--shade), transparent) right / .8rem 100% no-repeat scroll; }
    .scroll:focus-visible, summary:focus-visible { outline: 2px solid var(--measured); outline-offset: 2px; }
    .compared { max-width: 42rem; }
    .facts + p, .facts + h3 { margin-top: .8rem; }
    table { border-collapse: collapse; width: 100%; font-size: .94rem; line-height: 1.35; }
    th, td { padding: .5rem .8rem; text-align: left; vertical-align: baseline; border-bottom: 1px solid var(--line); }
    th:first-child { padding-left: 0; }
    th:last-child, td:last-child { padding-right: 0; }
    thead th { color: var(--soft); font-weight: 500; font-size: .85rem; vertical-align: bottom; }
    tbody th { font-weight: 500; white-space: nowrap; }
    th.number, td.number { text-align: right; }
    td.number { white-space: nowrap; }
    tr.strong th, tr.strong td { font-weight: 650; }
    tr.dim th, tr.dim td { color: var(--soft); }
    .reason { display: block; min-width: 18rem; }
    .pairs { display: grid; gap: 1rem; margin: 0 0 1.75rem; }
    .pair { display: grid; grid-template-columns: 8rem minmax(0, 1fr); gap: 0 1rem; }
    .pair .type { grid-row: 1 / 3; font-weight: 500; }
    .pair .bar { max-width: none; margin: .1rem 0; grid-template-columns: 5.5rem minmax(0, 1fr) 5rem 9rem; }
    .pair .note { color: var(--soft); font-size: .85rem; }
    tr.groups > * { border-bottom: 0; padding-bottom: 0; }
    tr.groups th { border-left: 1px solid var(--line); }
    .under { display: block; color: var(--soft); font-size: .82rem; font-weight: 400; }
    .badge { display: inline-block; padding: 0 .45rem; border: 1px solid currentColor; border-radius: .25rem;
      font-size: .78rem; line-height: 1.45; white-space: nowrap; font-weight: 500; }
    .badge.measured { color: var(--good); }
    .badge.published { color: var(--measured); }
    .badge.estimated { color: var(--warn); border-style: dashed; }
    .bar { display: grid; grid-template-columns: 6rem minmax(0, 1fr) 4.5rem; gap: .8rem; align-items: center;
      max-width: 34rem; margin: .35rem 0; }
    .bar svg { width: 100%; height: .7rem; border-radius: .2rem; }
    .bar .number { text-align: right; white-space: nowrap; }
    .bar .name { color: var(--soft); }
    .track { fill: var(--line); }
    rect.measured { fill: var(--measured); }
    rect.predicted { fill: var(--predicted); }
    rect.theirs { fill: var(--soft); }
    figure { margin: 0 0 1rem; }
    .plot { display: block; width: 100%; height: auto; font-size: 13px; }
    .plot.narrow { display: none; }
    .plot text { fill: var(--soft); font-family: inherit; }
    .plot .grid { stroke: var(--line); stroke-width: 1; }
    .plot .guide { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 1 3; }
    .plot .axis { stroke: var(--soft); stroke-width: 1; }
    .plot .band { fill: var(--band); stroke: none; }
    .plot .line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
    .plot .line.measured { stroke: var(--measured); stroke-width: 2.5; }
    .plot .line.predicted { stroke: var(--predicted); }
    .plot .line.target { stroke: var(--target); stroke-width: 1.5; stroke-dasharray: 6 4; }
    .plot .dot { stroke: var(--page); stroke-width: 2; }
    .plot .dot.measured { fill: var(--measured); }
    .plot .dot.predicted { fill: var(--predicted); }
    .plot text.label { font-weight: 600; paint-order: stroke; stroke: var(--page); stroke-width: 4px;
      stroke-linejoin: round; }
    .plot text.measured { fill: var(--measured); }
    .plot text.predicted { fill: var(--predicted); }
    .plot text.target { fill: var(--target); }
    figcaption { color: var(--soft); font-size: .9rem; max-width: 44rem; margin-top: .5rem; }
    .sources { margin: 0 0 1rem; padding: 0; list-style: none; max-width: 48rem; }
    .sources li { padding: .35rem 0; }
    code { font: .88em/1.4 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
      overflow-wrap: anywhere; }
    ul.settings { margin: 0; padding: 0; list-style: none; }
    details { margin-top: 1rem; }
    summary { cursor: pointer; padding: .4rem 0; font-weight: 500; }
    footer { margin-top: 3rem; padding-top: 1rem; border-top: 1px solid var(--line); font-size: .85rem; }
    @media (max-width: 40rem) {
      body { padding-top: 1.5rem; }
      .key { grid-template-columns: 1fr 1fr; gap: 1.2rem 1rem; }
      .key .large { font-size: 1.4rem; }
      .facts > div { grid-template-columns: 7rem minmax(0, 1fr); }
      td.remark, th.remark { display: none; }
      .compared th, .compared td { padding: .45rem .3rem; font-size: .84rem; }
      .compared th:first-child { padding-left: 0; }
      .compared td:last-child, .compared th:last-child { padding-right: 0; }
      .plot.wide { display: none; }
      .plot.narrow { display: block; }
      th, td { padding: .45rem .5rem; }
      table { font-size: .9rem; }
      .bar { grid-template-columns: 5.5rem minmax(0, 1fr) 4rem; gap: .6rem; }
      .pair { grid-template-columns: 1fr; }
      .pair .type { grid-row: auto; }
      .pair .bar { grid-template-columns: 5.2rem minmax(0, 1fr) 4.8rem; gap: 0 .6rem; }
      .pair .note { grid-column: 2 / 4; text-align: right; }
    }
    @media print {
      :root {
        --page: #fff; --panel: #f4f4f4; --line: #bbb; --ink: #000; --soft: #444;
        --measured: #0b57b0; --predicted: #8a5a00; --band: rgba(199, 138, 20, .20); --target: #b3261e;
        --good: #12703a; --good-panel: #fff; --bad: #a8211a; --bad-panel: #fff; --warn: #7a4d00; --warn-panel: #fff;
      }
      body { max-width: none; padding: 0; font-size: 10pt; }
      section { break-inside: avoid; margin-top: 1.5rem; padding-top: 1rem; }
      .scroll { overflow: visible; }
      .plot.wide { display: block; } .plot.narrow { display: none; }
      * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
    }
    """
}
