//! Measures how fast the index of a chart repository is read, and in how much memory: run with `--release` and the path of an index, or
//! of a file that is to be made, with 24,000 versions in 23 MB.
#![expect(clippy::print_stdout, reason = "its results")]

use std::error::Error;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;
use std::time::{Duration, Instant};

use headwater_goyaml::{Event, Events};

/// How often the file is read.
const ROUNDS: usize = 11;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: index <file>")?;
    let path = Path::new(&path);
    if !path.exists() {
        fs::write(path, index(60, 400)?)?;
    }
    let mut took = Vec::new();
    let mut counts = (0, 0);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        counts = read(path)?;
        took.push(start.elapsed());
    }
    took.sort_unstable();
    let (scalars, bytes) = counts;
    println!("{} bytes, {scalars} scalars of {bytes} bytes", fs::metadata(path)?.len());
    println!("median {:.1?}, from {:.1?} to {:.1?}", took[ROUNDS / 2], took[0], took[ROUNDS - 1]);
    println!("{:.0} MB/s, at most {} KiB of memory", rate(fs::metadata(path)?.len(), took[ROUNDS / 2]), peak()?);
    Ok(())
}

/// The number of scalars and the size of their texts.
fn read(path: &Path) -> Result<(usize, usize), Box<dyn Error>> {
    let mut events = Events::new(BufReader::with_capacity(64 * 1024, File::open(path)?));
    let (mut scalars, mut bytes) = (0, 0);
    while let Some(event) = events.next()? {
        if let Event::Scalar { text, .. } = event {
            scalars += 1;
            bytes += text.len();
        }
    }
    Ok((scalars, bytes))
}

/// An index of charts as the large public ones are.
fn index(charts: usize, versions: usize) -> Result<String, std::fmt::Error> {
    let mut text = String::from("apiVersion: v1\nentries:\n");
    for chart in 0..charts {
        writeln!(text, "  chart-{chart}:")?;
        for version in (0..versions).rev() {
            let number = chart * versions + version;
            write!(
                text,
                "  - annotations:\n      category: Infrastructure\n      images: |\n        - name: chart-{chart}\n          \
                 image: registry.example.com/charts/chart-{chart}:{version}.2.0-debian-r{number}\n    apiVersion: v2\n    \
                 appVersion: {version}.2.0\n    created: \"2024-05-{:02}T10:{:02}:17.{number:09}Z\"\n    dependencies:\n    - name: common\n      \
                 repository: oci://registry.example.com/charts\n      tags:\n      - common\n      version: 2.x.x\n    description: Chart {chart} \
                 is a server for many cases of use, of which this is number {number}, and\n      it has a second line.\n    \
                 digest: {:064x}\n    home: https://example.com/charts/chart-{chart}\n    icon: \
                 https://example.com/assets/chart-{chart}-220x234.png\n    keywords:\n    - server\n    - \
                 'chart-{chart}'\n    maintainers:\n    - name: Example, Inc.\n      url: https://example.com/charts\n    name: \
                 chart-{chart}\n    sources:\n    - https://example.com/tree/chart-{chart}\n    urls:\n    - \
                 https://charts.example.com/chart-{chart}-{version}.2.0.tgz\n    version: {version}.2.0\n",
                1 + number % 28,
                number % 60,
                number * 0x9e37_79b9_7f4a,
            )?;
        }
    }
    text.push_str("generated: \"2024-06-01T00:00:00Z\"\n");
    Ok(text)
}

/// The most memory that this process ever held, in KiB.
fn peak() -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

#[expect(clippy::cast_precision_loss, reason = "a measure for people")]
fn rate(bytes: u64, time: Duration) -> f64 {
    bytes as f64 / 1e6 / time.as_secs_f64()
}
