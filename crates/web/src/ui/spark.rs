//! Small bar charts, drawn on the server as SVG: what went well from the base line up, what failed on top of it.

use std::fmt;

use askama::filters::HtmlSafe;

/// Width and height of the drawing, in its own units; the style sheet gives its size on the page.
const WIDTH: f64 = 120.0;
const HEIGHT: f64 = 22.0;

/// One bar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bar {
    /// All of what the bar counts.
    pub total: u64,
    /// How many of them failed.
    pub failed: u64,
}

/// A chart of bars of equal width, oldest first.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spark {
    pub bars: Vec<Bar>,
    /// What the chart shows, for those who do not see it.
    pub label: &'static str,
}

impl HtmlSafe for Spark {}

impl fmt::Display for Spark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let top = self.bars.iter().map(|bar| bar.total).max().unwrap_or(0).max(1) as f64;
        let step = WIDTH / self.bars.len().max(1) as f64;
        let sum: u64 = self.bars.iter().map(|bar| bar.total).sum();
        write!(
            f,
            r#"<svg class="spark" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{}: {sum} in all">"#,
            self.label
        )?;
        write!(f, r#"<path class="base" d="M0 {HEIGHT}H{WIDTH}"/>"#)?;
        for (i, bar) in self.bars.iter().enumerate().filter(|(_, bar)| bar.total > 0) {
            let x = i as f64 * step;
            let height = |count: u64| count as f64 / top * (HEIGHT - 1.0);
            let (all, bad) = (height(bar.total).max(1.0), height(bar.failed));
            self.rect(f, "ok", x, step, HEIGHT - all, all - bad)?;
            self.rect(f, "bad", x, step, HEIGHT - bad, bad)?;
        }
        f.write_str("</svg>")
    }
}

impl Spark {
    fn rect(&self, f: &mut fmt::Formatter<'_>, class: &str, x: f64, step: f64, y: f64, height: f64) -> fmt::Result {
        if height <= 0.0 {
            return Ok(());
        }
        let width = step * 0.72;
        write!(f, r#"<rect class="{class}" x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}"/>"#)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tallest_bar_fills_the_chart_and_empty_ones_draw_nothing() {
        let bars = vec![Bar { total: 4, failed: 1 }, Bar::default()];
        let svg = Spark { bars, label: "requests" }.to_string();
        assert_eq!(svg.matches("<rect").count(), 2, "{svg}");
        assert!(svg.contains(r#"aria-label="requests: 4 in all""#), "{svg}");
        assert!(svg.contains(r#"class="bad" x="0.0" y="16.8""#), "{svg}");
    }
}
