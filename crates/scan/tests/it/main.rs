//! Tests of the detectors as others use them.

mod measure;
#[test]
fn au() {
    let texts = measure::read(std::path::Path::new(&std::env::var("CORPUS").unwrap()));
    let t = std::time::Instant::now();
    let (counts, tenths) = measure::measure(&texts);
    println!("{:?}", t.elapsed());
    for (k, c) in counts {
        println!(
            "{:12} n {} P {:.3} R {:.3} F2 {:.3}",
            k.as_str(),
            c.found + c.missed,
            c.precision(),
            c.recall(),
            c.f2()
        );
    }
    println!("{tenths:?}");
}
