#pragma once

#include <functional>
#include <map>
#include <random>

#include "base/disk.hpp"

namespace lethe {

/// A disk as a power cut finds it: what has been synced, and what still lies in a cache that loses its content. A value. Its folders are
/// parts of the names. What has been written is there after a cut, sector by sector, in any selection; a name that was made or removed is
/// there as before or as after.
class Medium {
public:
    static constexpr std::size_t sector_octets = 512;

    std::vector<std::string> names() const;
    bool exists(const std::string& file) const { return find(file) != none; }
    Result<Octets> read(const std::string& file) const;
    /// From the start of the file, which is made when there is none.
    void write(const std::string& file, OctetView octets);
    void sync(const std::string& file);
    void remove(const std::string& file);
    void sync_names();
    /// Those in one folder: "" or what ends with a slash.
    void sync_names(const std::string& folder);

    /// The media that a cut can leave, each another one: all of them when they are no more than `most`, else those at the corners (nothing
    /// of what is not synced, all, halves, every second sector, the last write alone) and a sample. One sector at most is garbage.
    std::vector<Medium> after_cut(std::size_t most, std::mt19937& random) const;

    /// Whether these octets lie anywhere, in the clusters of files that are gone as well.
    bool holds(OctetView octets) const;
    std::size_t used() const;
    std::size_t room = 1 << 30;  ///< for all files together; a write of more fails, as on a disk that is full
    /// What a cut has made of it, for messages.
    const std::string& story() const { return story_; }

private:
    struct File {
        std::vector<Octets> versions;  ///< as synced, then as each write since has left it
        bool named = false;            ///< the name was synced once
    };
    struct Digit;  ///< one thing that a cut can leave in several ways
    using Choice = std::vector<std::size_t>;
    static constexpr int none = -1;

    void sync_name(std::vector<int>& history);
    int find(const std::string& file) const;
    std::vector<Digit> digits() const;
    static void add_digits(std::vector<Digit>& digits, int number, const File& file);
    static std::vector<Choice> choices(const std::vector<Digit>& digits, std::size_t most, std::mt19937& random);
    static std::vector<Choice> corners(const std::vector<Digit>& digits);
    Medium settled(const std::vector<Digit>& digits, const Choice& choice) const;

    std::map<int, File> files_;
    std::map<std::string, std::vector<int>> names_;  ///< the file as synced, then as each change since has left it
    int next_ = 0;
    std::string story_;
};

/// A store's disk on a Medium. Borrows both. @param before  told before each verb that changes something.
class RecordedDisk final : public Disk {
public:
    using Before = std::function<void(const std::string& what)>;
    RecordedDisk(Medium& medium, Before before) : medium_(medium), before_(std::move(before)) {}

    Result<std::vector<std::string>> names() const override { return medium_.names(); }
    Result<bool> exists(const std::string& file) const override { return medium_.exists(file); }
    Result<Octets> read(const std::string& file) const override { return medium_.read(file); }
    Result<void> write(const std::string& file, OctetView octets) override;
    Result<void> sync(const std::string& file) override;
    Result<void> remove(const std::string& file) override;
    Result<void> sync_names() override;
    Result<std::uint64_t> free_octets() const override { return medium_.room - medium_.used(); }
    std::size_t block_octets() const override { return 4096; }
    std::string place() const override { return "the recorded disk"; }

private:
    Medium& medium_;
    Before before_;
};

/// For the choice of cuts: another seed in each run, printed, unless LETHE_CUTS_SEED gives one.
std::mt19937 seeded_cuts();

/// How many media of a cut are looked at: all of them where there is time, and LETHE_CUTS says so (tools/soak).
std::size_t most_media(std::size_t in_short);

}  // namespace lethe
