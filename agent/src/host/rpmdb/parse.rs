//! The answer of `rpm -qa` about packages, parsed. Pure.

use extensions_manifest::{BasePackage, Capability, Evr, Nevra, Relation, Requirement, limits};

/// What to print of each package: one `@` line that says who it is, then a line for each provide, conflict and obsolete.
///
/// Only what rpm 4.14 to 4.20 print alike. A list that a package lacks must be guarded: rpm prints `(none)` for it, without
/// the line break. `EPOCHNUM` is 0 where there is no epoch, and flags are plain numbers.
pub(super) const FORMAT: &str = concat!(
    r"@\t%{NAME}\t%{EPOCHNUM}\t%{VERSION}\t%{RELEASE}\t%{ARCH}\n",
    r"%|PROVIDENAME?{[P\t%{PROVIDENAME}\t%{PROVIDEFLAGS}\t%{PROVIDEVERSION}\n]}|",
    r"%|CONFLICTNAME?{[C\t%{CONFLICTNAME}\t%{CONFLICTFLAGS}\t%{CONFLICTVERSION}\n]}|",
    r"%|OBSOLETENAME?{[O\t%{OBSOLETENAME}\t%{OBSOLETEFLAGS}\t%{OBSOLETEVERSION}\n]}|",
);

/// Most packages of a base. A full desktop has some 2,500.
const PACKAGES: usize = 32_768;

/// The bits of rpm's dependency flags that compare versions.
const COMPARISON: u32 = 0b1110;

/// The packages read so far.
#[derive(Debug, Default)]
pub(super) struct Packages {
    done: Vec<BasePackage>,
    current: Option<BasePackage>,
    dependencies: usize,
}

impl Packages {
    /// Takes the next line.
    pub(super) fn line(&mut self, line: &str) -> Result<(), String> {
        let mut fields = line.split('\t');
        let tag = fields.next().unwrap_or_default();
        let rest: Vec<&str> = fields.collect();
        match (tag, rest.as_slice()) {
            ("@", [name, epoch, version, release, arch]) => {
                self.next();
                if self.done.len() >= PACKAGES {
                    return Err(format!("it holds more than {PACKAGES} packages"));
                }
                self.current = package([name, epoch, version, release, arch])?;
                Ok(())
            }
            ("P" | "C" | "O", [name, flags, version]) => self.dependency(tag, [name, flags, version]),
            _ => Err(format!("`{}` is not an answer of `rpm`", crate::text::shown(line))),
        }
    }

    /// All packages, in the order of their names.
    pub(super) fn finish(mut self) -> Result<Vec<BasePackage>, String> {
        self.next();
        if self.done.is_empty() {
            return Err("it holds no package".to_owned());
        }
        self.done.sort_by(|left, right| left.nevra.cmp(&right.nevra));
        Ok(self.done)
    }

    fn next(&mut self) {
        self.done.extend(self.current.take());
        self.dependencies = 0;
    }

    fn dependency(&mut self, tag: &str, [name, flags, version]: [&str; 3]) -> Result<(), String> {
        // Of a package that is skipped.
        let Some(current) = self.current.as_mut() else { return Ok(()) };
        self.dependencies += 1;
        if self.dependencies > limits::DEPENDENCIES_PER_PACKAGE {
            return Err(format!("`{}` has too many dependencies", current.nevra));
        }
        let refused = |error| format!("`{}`: {error}", current.nevra);
        // A rich dependency carries its versions in its text.
        if name.starts_with('(') && tag == "C" {
            current.conflicts.push(Requirement::try_from(name.to_owned()).map_err(refused)?);
            return Ok(());
        }
        let relation =
            relation(flags).map_err(|problem| format!("`{}`: `{name}`: {problem}", current.nevra))?;
        let bound = relation.filter(|_| !version.is_empty()).map(|relation| (relation, version));
        let capability = Capability::new(name, bound).map_err(refused)?;
        match tag {
            "P" => current.provides.push(capability),
            "C" => current.conflicts.push(Requirement::Plain(capability)),
            _ => current.obsoletes.push(capability),
        }
        Ok(())
    }
}

/// The package of an `@` line; none for `gpg-pubkey`, which is a key kept among the packages and has no architecture.
fn package([name, epoch, version, release, arch]: [&str; 5]) -> Result<Option<BasePackage>, String> {
    if name == "gpg-pubkey" {
        return Ok(None);
    }
    let refused = |error| format!("package `{}`: {error}", crate::text::shown(name));
    let epoch =
        epoch.parse::<u32>().map_err(|_| format!("package `{name}` has an epoch that is no number"))?;
    let evr = Evr::new(epoch, version, release).map_err(refused)?;
    let nevra = Nevra::new(name.parse().map_err(refused)?, evr, arch).map_err(refused)?;
    Ok(Some(BasePackage { nevra, provides: Vec::new(), conflicts: Vec::new(), obsoletes: Vec::new() }))
}

/// rpm's flags as a relation: bit 1 less, bit 2 greater, bit 3 equal. The others say where a dependency came from.
fn relation(flags: &str) -> Result<Option<Relation>, &'static str> {
    let flags: u32 = flags.parse().map_err(|_| "its flags are no number")?;
    match flags & COMPARISON {
        0b0000 => Ok(None),
        0b0010 => Ok(Some(Relation::Less)),
        0b0100 => Ok(Some(Relation::Greater)),
        0b1000 => Ok(Some(Relation::Equal)),
        0b1010 => Ok(Some(Relation::LessOrEqual)),
        0b1100 => Ok(Some(Relation::GreaterOrEqual)),
        _ => Err("its flags compare in two directions"),
    }
}
